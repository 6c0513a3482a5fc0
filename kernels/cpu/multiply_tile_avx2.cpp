// multiply_tile with AVX2 and FMA; model of the others: multiply_tile.h.

#include "lanes_avx2.h"
#include "multiply_tile.h"

namespace expertmesh {

void multiply_tile_avx2(const PackedTile& tile, const float* const* rows, int64_t num_rows, float* result) {
    multiply_tile(tile, rows, num_rows, result);
}

}  // namespace expertmesh
