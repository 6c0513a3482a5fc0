// Attention of a tile with no instructions beyond the common ones; model of the others: attend.h.

#include "vector_plain.h"

#include "attend.h"

namespace expertmesh {

const AttentionFunctions ATTENTION_PLAIN{WIDTH, attend, join};

}  // namespace expertmesh
