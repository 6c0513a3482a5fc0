// The body of each multiply_int8_tile_*: included once per instruction set, after its quads_*.h.
//
// Lanes are matrix rows here: a register holds one scale, one dot product, one sum of each. All is in an unnamed
// namespace and calls nothing of the standard library, for the reason that multiply_tile.h gives.

#pragma once

#include "int8_tile.h"
#include "lane_order.h"

namespace expertmesh {
namespace {

constexpr int64_t MAX_BLOCKS_AT_ONCE = 128;  // whose scales are turned at a time
constexpr int64_t BLOCKS_PER_LINE = 64 / BLOCK_BYTES;

// WIDTH matrix rows of a tile. Rows past its end repeat the last one, and their sums go nowhere.
struct Band {
    const uint8_t* blocks[WIDTH];
    const uint8_t* scales[WIDTH];

    Band(const PackedTile& tile, int64_t first_out) {
        for (int i = 0; i < WIDTH; ++i) {
            const int64_t out = first_out + i < tile.num_outs ? first_out + i : tile.num_outs - 1;
            blocks[i] = tile.blocks + out * tile.num_blocks * BLOCK_BYTES;
            scales[i] = tile.scales + out * tile.num_blocks;
        }
    }

    // The band behind this one is read meanwhile.
    inline void prefetch(int64_t block, int64_t num_blocks) const {
        for (int i = 0; i < WIDTH; ++i) {
            __builtin_prefetch(blocks[i] + (WIDTH * num_blocks + block) * BLOCK_BYTES);
        }
    }
};

template <int ROWS>
inline void add_block(const Band& band, const uint8_t* scales, const Int8Row* rows, int64_t block, Floats* sums) {
    const Quads quads = decode(band.blocks, block * BLOCK_BYTES);
    const Floats weight_scales = to_scales(scales);
#pragma GCC unroll 16
    for (int row = 0; row < ROWS; ++row) {  // unrolled, so that sums stay in registers
        const Int8Row& x = rows[row];
        const Ints dots = dot(x.starts[block], quads, x.values + block * BLOCK_VALUES);
        sums[row] = add_scaled(dots, weight_scales, x.scales[block], sums[row]);
    }
}

template <int ROWS>
void multiply_band(const Band& band, int64_t num_blocks, const Int8Row* rows, Floats* result) {
    Floats sums[ROWS];
    for (int row = 0; row < ROWS; ++row) sums[row] = zero();
    alignas(64) uint8_t scales[MAX_BLOCKS_AT_ONCE * WIDTH];  // [block, WIDTH]
    for (int64_t first = 0; first < num_blocks; first += MAX_BLOCKS_AT_ONCE) {
        const int64_t past = first + MAX_BLOCKS_AT_ONCE < num_blocks ? first + MAX_BLOCKS_AT_ONCE : num_blocks;
        turn(band.scales, first, past - first, scales);
        for (int64_t block = first; block < past; ++block) {
            if (block % BLOCKS_PER_LINE == 0) band.prefetch(block, num_blocks);
            add_block<ROWS>(band, scales + (block - first) * WIDTH, rows, block, sums);
        }
    }
    for (int row = 0; row < ROWS; ++row) result[row] = sums[row];
}

template <int ROWS>
void multiply_at_once(int64_t num_rows, const Band& band, int64_t num_blocks, const Int8Row* rows, Floats* result) {
    if (num_rows == ROWS) return multiply_band<ROWS>(band, num_blocks, rows, result);
    if constexpr (ROWS > 1) multiply_at_once<ROWS - 1>(num_rows, band, num_blocks, rows, result);
}

inline void write(const Floats* sums, int64_t num_rows, int64_t num_outs, float* result) {
    for (int64_t row = 0; row < num_rows; ++row) {
        float lanes[WIDTH];
        store(lanes, sums[row]);
        for (int64_t out = 0; out < num_outs; ++out) result[row * MAX_TILE_OUTS + out] = lanes[out];
    }
}

// Rows come in turns of nearly the same size, as in multiply_tile.h.
void multiply_int8_tile(const PackedTile& tile, const Int8Row* rows, int64_t num_rows, float* result) {
    for (int64_t out = 0; out < tile.num_outs; out += WIDTH) {
        const Band band(tile, out);
        const int64_t num_outs = out + WIDTH < tile.num_outs ? WIDTH : tile.num_outs - out;
        int64_t turns = (num_rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
        for (int64_t row = 0; turns > 0; --turns) {
            const int64_t count = (num_rows - row) / turns;
            Floats sums[ROWS_AT_ONCE];
            multiply_at_once<ROWS_AT_ONCE>(count, band, tile.num_blocks, rows + row, sums);
            write(sums, count, num_outs, result + row * MAX_TILE_OUTS + out);
            row += count;
        }
    }
}

}  // namespace
}  // namespace expertmesh
