// multiply_int8_tile with no instructions beyond the common ones; model of the others: multiply_int8_tile.h.

#include "quads_plain.h"
#include "multiply_int8_tile.h"

namespace expertmesh {

void multiply_int8_tile_plain(const PackedTile& tile, const Int8Row* rows, int64_t num_rows, float* result) {
    multiply_int8_tile(tile, rows, num_rows, result);
}

}  // namespace expertmesh
