// Attention of a tile with AVX2 and FMA; model of the others: attend.h.

#include "vector_avx2.h"

#include "attend.h"

namespace expertmesh {

const AttentionFunctions ATTENTION_AVX2{WIDTH, attend, join};

}  // namespace expertmesh
