// multiply_tile with AVX2 and FMA; model of the others: multiply_tile.h.

#include "lanes_avx2.h"
#include "multiply_tile.h"

namespace expertmesh {

const TileKernel TILE_KERNEL_AVX2{multiply_tile, INPUT_AT};

}  // namespace expertmesh
