// multiply_int8_tile with AVX2 and FMA; model of the others: multiply_int8_tile.h.

#include "quads_avx2.h"
#include "multiply_int8_tile.h"
#include "multiply_int8_slab.h"

namespace expertmesh {

void multiply_int8_tile_avx2(const PackedTile& tile, const Int8Row* rows, int64_t num_rows, float* result) {
    multiply_int8_slabs(tile, rows, num_rows, result);
}

}  // namespace expertmesh
