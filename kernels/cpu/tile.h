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

constexpr int64_t MAX_TILE_OUTS = 32;

// rows: num_rows pointers, each to [num_blocks, 32] arranged floats -> sums [num_rows, MAX_TILE_OUTS].
using MultiplyTile = void (*)(const PackedTile& tile, const float* const* rows, int64_t num_rows, float* sums);

void multiply_tile_plain(const PackedTile&, const float* const*, int64_t, float*);
void multiply_tile_avx2(const PackedTile&, const float* const*, int64_t, float*);
void multiply_tile_avx512(const PackedTile&, const float* const*, int64_t, float*);

}  // namespace expertmesh
