// A tile of a bfloat16 matrix times some rows: the functions that each instruction set brings for dense layers.
//
// The order of every sum is the same for each instruction set, form of the matrix, number of rows and number of
// threads. A dot product runs in 16 lanes; of each block of 32 inputs lane l adds input 2 · l + 1, then input 2 · l,
// each with one rounding (`fused` in vector_plain.h), as processors' dot products of bfloat16 do; in the end the
// lanes are added in a fixed tree (`total` there).
//
// Not here: threads, biases (dense.cpp); what a compact matrix is (compact_rows.h).

#pragma once

#include <cstdint>

#include "compact_rows.h"

namespace expertmesh {

constexpr int DENSE_LANES = 16;
constexpr int DENSE_BLOCK = 2 * DENSE_LANES;
constexpr int DENSE_LINE = 2 * DENSE_BLOCK;  // inputs that are unpacked together

// Of each file alone, as in scalar_type.h.
namespace {

constexpr int64_t lines_of(int64_t width) { return (width + DENSE_LINE - 1) / DENSE_LINE; }

}  // namespace

// Consecutive rows of a matrix as a checkpoint has it: [num_outs, width] bfloat16.
struct StoredRows {
    const uint16_t* weights;
    int64_t width;
};

constexpr int64_t MOST_DENSE_OUTS = 64;

// Rows: [num_outs] of a matrix, MOST_DENSE_OUTS at most. x: num_x rows of activations that stand together
// (paired_rows.h), in float32 or bfloat16 -> sums [num_x, MOST_DENSE_OUTS].
template <typename Rows, typename Value>
using MultiplyRows = void (*)(const Rows& rows, int64_t num_outs, const Value* x, int64_t num_x, float* sums);

constexpr int64_t MOST_ROWS_TOGETHER = 8;

// What an instruction set brings.
template <typename Rows, typename Value>
struct MultiplyDense {
    MultiplyRows<Rows, Value> multiply;
    int64_t most_together;  // rows of activations, MOST_ROWS_TOGETHER at most
};

extern const MultiplyDense<StoredRows, float> STORED_PLAIN, STORED_AVX2, STORED_AVX512;
extern const MultiplyDense<CompactRows, float> COMPACT_AVX2, COMPACT_AVX512;

// With dot products of bfloat16; without a function where the compiler did not know them.
extern const MultiplyDense<StoredRows, uint16_t> STORED_AVX512BF16;
extern const MultiplyDense<CompactRows, uint16_t> COMPACT_AVX512BF16;

}  // namespace expertmesh
