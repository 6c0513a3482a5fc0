// The body of each multiply_dense_*: included once per instruction set, after its vector_*.h.
//
// All is in an unnamed namespace and calls nothing of the standard library: a function compiled here for one
// processor must never be the one that the linker keeps for another.
//
// One row is bound by memory, so it takes matrix rows one after the other. More rows take squares of sums that stay
// in registers, over a stretch of the input short enough for the rows to stay near; between stretches sums wait in
// memory, which changes no bit.

#pragma once

#include "dense_tile.h"

namespace expertmesh {
namespace {

constexpr int PARTS = DENSE_LANES / WIDTH;  // of the lanes, each a register
constexpr int SQUARE_OUTS = REGISTERS / 8, SQUARE_ROWS = REGISTERS * 3 / 16;  // sums in three quarters of them
constexpr int64_t OUTS_AHEAD = 4;  // to prefetch: matrix rows are too short for the processor's own prefetchers
constexpr int64_t BYTES_OF_ROWS_NEAR = 24 * 1024;  // of what the rows' stretch may fill of a first-level cache

using PartialSums = float[DENSE_TILE_OUTS][DENSE_PASS_ROWS][DENSE_LANES];

// A stretch of the inputs, whole blocks; the last may go past the matrix's width.
struct Stretch {
    int64_t first, past;
};

template <int OUTS, int ROWS>
struct Square {
    Vector sums[OUTS][ROWS][PARTS];

    inline void add(const Vector (&weights)[OUTS], const float* const* rows, int64_t input, int part) {
        for (int row = 0; row < ROWS; ++row) {
            const Vector x = load(rows[row] + input + WIDTH * part);
            for (int out = 0; out < OUTS; ++out) sums[out][row][part] = fused(weights[out], x, sums[out][row][part]);
        }
    }

    // The block of OUTS matrix rows, `stride` apart, at `weights`; its inputs begin at `input` of each row.
    inline void add_block(const uint16_t* weights, int64_t stride, const float* const* rows, int64_t input) {
        for (int part = 0; part < PARTS; ++part) {
            const uint16_t* pairs = weights + 2 * WIDTH * part;
            Vector values[OUTS];
            for (int out = 0; out < OUTS; ++out) values[out] = evens(pairs + out * stride);
            add(values, rows, input, part);
            for (int out = 0; out < OUTS; ++out) values[out] = odds(pairs + out * stride);
            add(values, rows, input + DENSE_LANES, part);
        }
    }

    inline void add_stretch(const uint16_t* weights, int64_t width, const float* const* rows, Stretch stretch) {
        const int64_t whole = stretch.past < width ? stretch.past : width / DENSE_BLOCK * DENSE_BLOCK;
        for (int64_t input = stretch.first; input < whole; input += DENSE_BLOCK) {
            for (int out = 0; out < OUTS; ++out) __builtin_prefetch(weights + (out + OUTS_AHEAD) * width + input);
            add_block(weights + input, width, rows, input);
        }
        if (whole < stretch.past) {
            uint16_t last[OUTS][DENSE_BLOCK] = {};
            for (int out = 0; out < OUTS; ++out) {
                for (int64_t input = whole; input < width; ++input) last[out][input - whole] = weights[out * width + input];
            }
            add_block(last[0], DENSE_BLOCK, rows, whole);
        }
    }
};

template <int OUTS, int ROWS>
inline void add_square(const DenseTile& tile, int64_t out, const float* const* rows, int64_t row, Stretch stretch,
                       PartialSums& partial) {
    Square<OUTS, ROWS> square;
    for (int i = 0; i < OUTS; ++i) {
        for (int j = 0; j < ROWS; ++j) {
            for (int part = 0; part < PARTS; ++part) {
                square.sums[i][j][part] = load(partial[out + i][row + j] + WIDTH * part);
            }
        }
    }
    square.add_stretch(tile.weights + out * tile.width, tile.width, rows + row, stretch);
    for (int i = 0; i < OUTS; ++i) {
        for (int j = 0; j < ROWS; ++j) {
            for (int part = 0; part < PARTS; ++part) {
                store(partial[out + i][row + j] + WIDTH * part, square.sums[i][j][part]);
            }
        }
    }
}

// As many rows at a time as there are, up to ROWS.
template <int OUTS, int ROWS>
inline void add_rows(const DenseTile& tile, int64_t out, const float* const* rows, int64_t row, int64_t num_rows,
                     Stretch stretch, PartialSums& partial) {
    for (; row + ROWS <= num_rows; row += ROWS) add_square<OUTS, ROWS>(tile, out, rows, row, stretch, partial);
    if constexpr (ROWS > 1) {
        if (row < num_rows) add_rows<OUTS, ROWS - 1>(tile, out, rows, row, num_rows, stretch, partial);
    }
}

inline void multiply_dense(const DenseTile& tile, const float* const* rows, int64_t num_rows, float* result) {
    alignas(64) PartialSums partial;
    for (int64_t out = 0; out < tile.num_outs; ++out) {
        for (int64_t row = 0; row < num_rows; ++row) {
            for (int lane = 0; lane < DENSE_LANES; ++lane) partial[out][row][lane] = 0;
        }
    }
    const int64_t padded_width = (tile.width + DENSE_BLOCK - 1) / DENSE_BLOCK * DENSE_BLOCK;
    const int64_t blocks_near = BYTES_OF_ROWS_NEAR / (num_rows * DENSE_BLOCK * static_cast<int64_t>(sizeof(float)));
    const int64_t length = num_rows == 1 ? padded_width : blocks_near * DENSE_BLOCK;
    for (int64_t first = 0; first < padded_width; first += length) {
        const Stretch stretch{first, first + length < padded_width ? first + length : padded_width};
        int64_t out = 0;
        if (num_rows > 1) {
            for (; out + SQUARE_OUTS <= tile.num_outs; out += SQUARE_OUTS) {
                add_rows<SQUARE_OUTS, SQUARE_ROWS>(tile, out, rows, 0, num_rows, stretch, partial);
            }
        }
        for (; out < tile.num_outs; ++out) add_rows<1, SQUARE_ROWS>(tile, out, rows, 0, num_rows, stretch, partial);
    }
    for (int64_t row = 0; row < num_rows; ++row) {
        for (int64_t out = 0; out < tile.num_outs; ++out) {
            Vector lanes[PARTS];
            for (int part = 0; part < PARTS; ++part) lanes[part] = load(partial[out][row] + WIDTH * part);
            result[row * DENSE_TILE_OUTS + out] = total(lanes);
        }
    }
}

}  // namespace
}  // namespace expertmesh
