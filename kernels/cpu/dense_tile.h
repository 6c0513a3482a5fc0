// A tile of a bfloat16 matrix times some rows: the one function that each instruction set brings for dense layers.
//
// The order of every sum is the same for each instruction set, number of rows and number of threads. A dot product
// runs in 16 lanes; of each block of 32 inputs lane l adds input 2 · l, then input 2 · l + 1, each with one rounding;
// in the end the lanes are added in a fixed tree (`total` in vector_plain.h).
//
// Not here: threads, biases (dense.cpp).

#pragma once

#include <cstdint>

namespace expertmesh {

constexpr int DENSE_LANES = 16;
constexpr int DENSE_BLOCK = 2 * DENSE_LANES;

// Consecutive rows of a matrix as a checkpoint has it.
struct DenseTile {
    const uint16_t* weights;  // [num_outs, width] bfloat16
    int64_t num_outs;
    int64_t width;
};

constexpr int64_t DENSE_TILE_OUTS = 32;
constexpr int64_t DENSE_PASS_ROWS = 12;

// rows: num_rows pointers, at most DENSE_PASS_ROWS, each to a row in pairs (paired_rows.h)
// -> sums [num_rows, DENSE_TILE_OUTS].
using MultiplyDense = void (*)(const DenseTile& tile, const float* const* rows, int64_t num_rows, float* sums);

void multiply_dense_plain(const DenseTile&, const float* const*, int64_t, float*);
void multiply_dense_avx2(const DenseTile&, const float* const*, int64_t, float*);
void multiply_dense_avx512(const DenseTile&, const float* const*, int64_t, float*);

}  // namespace expertmesh
