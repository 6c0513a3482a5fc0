// Attention of a tile with AVX-512 F; model of the others: attend.h.

#include "vector_avx512.h"

#include "attend.h"

namespace expertmesh {

const AttentionFunctions ATTENTION_AVX512{WIDTH, attend, join};

}  // namespace expertmesh
