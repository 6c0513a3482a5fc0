// Attention of a tile with AVX-512 F; model of the others: attend.h.

#include "vector_avx512.h"

#include "attend.h"
#include "attend_few.h"

namespace expertmesh {
namespace {

void attend_any(const AttentionTile& tile, const AttentionPart& part, float* weights, AttentionSums sums) {
    are_few(tile) ? attend_few(tile, part, weights, sums) : attend(tile, part, weights, sums);
}

}  // namespace

const AttentionFunctions ATTENTION_AVX512{WIDTH, attend_any, join};

}  // namespace expertmesh
