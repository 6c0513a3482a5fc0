// The body of each multiply_int8_tile_*: included once per instruction set, after its quads_*.h.
//
// Lanes are matrix rows here: a register holds one scale, one dot product, one sum of each. All is in an unnamed
// namespace and calls nothing of the standard library, for the reason that multiply_tile.h gives.

#pragma once

#include "int8_tile.h"
#include "lane_order.h"

namespace expertmesh {
namespace {

constexpr int64_t BLOCKS_AT_ONCE = 128;  // whose scales are turned at a time
constexpr int64_t BLOCKS_PER_LINE = 64 / BLOCK_BYTES;

// WIDTH matrix rows of a tile.
struct Band {
    const uint8_t* blocks;  // [WIDTH, num_blocks, 16]
    const uint8_t* scales;  // [WIDTH, num_blocks]
    int64_t num_blocks;

    // The band that is so many bands behind.
    inline Band at(int64_t index) const {
        const int64_t past = index * WIDTH * num_blocks;
        return {blocks + past * BLOCK_BYTES, scales + past, num_blocks};
    }

    // The band that begins `outs` matrix rows behind this one's comes nearer meanwhile, line by line.
    inline void prefetch(int64_t block, int64_t outs) const {
        const uint8_t* lines = blocks + (outs * num_blocks + WIDTH * block) * BLOCK_BYTES;
        __builtin_prefetch(scales + outs * num_blocks + WIDTH * block);
        for (int64_t byte = 0; byte < WIDTH * BLOCK_BYTES; byte += 64) {
            __builtin_prefetch(lines + byte);
        }
    }
};

inline Band band_at(const PackedTile& tile, int64_t first_out) {
    const int64_t index = first_out * tile.num_blocks;
    return {tile.blocks + index * BLOCK_BYTES, tile.scales + index, tile.num_blocks};
}

template <int ROWS>
[[gnu::always_inline]] inline void add_block(const Band& band, const uint8_t* scales, const Int8Row* rows, int64_t block, Floats* sums) {
    const Quads quads = decode(band.blocks + block * BLOCK_BYTES, band.num_blocks * BLOCK_BYTES);
    const Floats weight_scales = to_scales(scales);
#pragma GCC unroll 16
    for (int row = 0; row < ROWS; ++row) {  // unrolled, so that sums stay in registers
        const Int8Block& x = rows[row].blocks[block];
        sums[row] = add_scaled(dot(x.start, quads, x.values), weight_scales, x.scale, sums[row]);
    }
}

template <int ROWS>
[[gnu::noinline]] void multiply_band(const Band& band, const Int8Row* rows, Floats* result) {
    Floats sums[ROWS];
    for (int row = 0; row < ROWS; ++row) sums[row] = zero();
    alignas(64) uint8_t scales[BLOCKS_AT_ONCE * WIDTH];  // [block, WIDTH]
    for (int64_t first = 0; first < band.num_blocks; first += BLOCKS_AT_ONCE) {
        const int64_t left = band.num_blocks - first, past = first + (left < BLOCKS_AT_ONCE ? left : BLOCKS_AT_ONCE);
        turn(band.scales + first, band.num_blocks, past - first, scales);
        for (int64_t block = first; block < past; ++block) {
            band.prefetch(block, WIDTH);
            add_block<ROWS>(band, scales + (block - first) * WIDTH, rows, block, sums);
        }
    }
    for (int row = 0; row < ROWS; ++row) result[row] = sums[row];
}

template <int ROWS>
void multiply_at_once(int64_t num_rows, const Band& band, const Int8Row* rows, Floats* result) {
    if (num_rows == ROWS) return multiply_band<ROWS>(band, rows, result);
    if constexpr (ROWS > 1) multiply_at_once<ROWS - 1>(num_rows, band, rows, result);
}

// Rows come in turns of nearly the same size, as in multiply_tile.h.
inline void multiply_all(const Band& band, const Int8Row* rows, int64_t num_rows, float* result) {
    int64_t turns = (num_rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    for (int64_t row = 0; turns > 0; --turns) {
        const int64_t count = (num_rows - row) / turns;
        Floats sums[ROWS_AT_ONCE];
        multiply_at_once<ROWS_AT_ONCE>(count, band, rows + row, sums);
        for (int64_t i = 0; i < count; ++i) store(result + (row + i) * MAX_TILE_OUTS, sums[i]);
        row += count;
    }
}

// The last band reaches back over what is done, rather than past the tile's end. What is narrower than a band
// goes to the plain form, which has the same bits.
void multiply_int8_tile(const PackedTile& tile, const Int8Row* rows, int64_t num_rows, float* result) {
    if (tile.num_outs < WIDTH) return multiply_int8_tile_plain(tile, rows, num_rows, result);
    for (int64_t out = 0; out < tile.num_outs; out += WIDTH) {
        const int64_t first = out + WIDTH <= tile.num_outs ? out : tile.num_outs - WIDTH;
        multiply_all(band_at(tile, first), rows, num_rows, result + first);
    }
}

}  // namespace
}  // namespace expertmesh
