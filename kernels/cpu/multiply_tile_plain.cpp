// multiply_tile with no instructions beyond the common ones; model of the others: multiply_tile.h.

#include "lanes_plain.h"
#include "multiply_tile.h"

namespace expertmesh {

void multiply_tile_plain(const PackedTile& tile, const float* const* rows, int64_t num_rows, float* result) {
    multiply_tile(tile, rows, num_rows, result);
}

}  // namespace expertmesh
