// A tile of a packed matrix times some rows: the one function that each instruction set brings.
//
// Not here: experts, threads, biases (grouped_matmul.h).

#pragma once

#include <cstdint>

namespace expertmesh {

// Consecutive rows of one expert's packed matrix.
struct PackedTile {
    const uint8_t* blocks;  // [num_outs, num_blocks, 16]
    const uint8_t* scales;  // [num_outs, num_blocks]
    int64_t num_outs;
    int64_t num_blocks;
};

constexpr int64_t MAX_TILE_OUTS = 48;  // divides by however many matrix rows are multiplied at a time

// rows: num_rows pointers, each to [num_blocks, 32] arranged floats -> sums [num_rows, MAX_TILE_OUTS].
using MultiplyTile = void (*)(const PackedTile& tile, const float* const* rows, int64_t num_rows, float* sums);

struct TileKernel {
    MultiplyTile multiply;
    const int* input_at;  // [32]: the input of a block that stands at each position of an arranged block
};

extern const TileKernel TILE_KERNEL_PLAIN, TILE_KERNEL_AVX2, TILE_KERNEL_AVX512;

}  // namespace expertmesh
