// multiply_tile with AVX-512 F and BW; model of the others: multiply_tile.h.

#include "lanes_avx512.h"
#include "multiply_tile.h"

namespace expertmesh {

const TileKernel TILE_KERNEL_AVX512{multiply_tile, INPUT_AT};

}  // namespace expertmesh
