// multiply_tile with no instructions beyond the common ones; model of the others: multiply_tile.h.

#include "lanes_plain.h"
#include "multiply_tile.h"

namespace expertmesh {

const TileKernel TILE_KERNEL_PLAIN{multiply_tile, INPUT_AT};

}  // namespace expertmesh
