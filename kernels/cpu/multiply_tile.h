// The body of each multiply_tile_*: included once per instruction set, after its lanes_*.h.
//
// All is in an unnamed namespace and calls nothing of the standard library: a function compiled here for one
// processor must never be the one that the linker keeps for another.
//
// Some rows share what is decoded. Whatever their number, each (row, out) adds in the order of lane_order.h.

#pragma once

#include "tile.h"

namespace expertmesh {
namespace {

constexpr int64_t BLOCKS_PER_LINE = 64 / BLOCK_BYTES;  // of the cache

template <int OUTS>
struct Decoded {
    DecodedBlock weight[OUTS];
};

// Some matrix rows times some rows, in registers.
template <int OUTS, int ROWS>
struct Sums {
    const uint8_t* blocks;  // of the first matrix row
    const uint8_t* scales;
    int64_t num_blocks;  // from one matrix row to the next
    const float* const* rows;
    Lanes lanes[OUTS][ROWS];

    // In the order in which they stand where a stretch is a whole row, however many are read at a time: memory gives
    // neighbours faster.
    inline void prefetch(int64_t block) const {
        const uint8_t* behind = blocks + OUTS * block * BLOCK_BYTES + PREFETCH_BYTES;
        for (int line = 0; line < OUTS; ++line) __builtin_prefetch(behind + 64 * line);
        __builtin_prefetch(scales + OUTS * block + PREFETCH_BYTES / BLOCK_BYTES);
    }

    inline DecodedBlock weights(int out, int64_t block) const {
        const int64_t index = out * num_blocks + block;
        return decode(blocks + index * BLOCK_BYTES, scales[index]);
    }

    // One row meets each matrix row as soon as that is decoded; more rows find all of them in registers.
    inline void add(int64_t block) {
        if constexpr (ROWS == 1) {
            for (int out = 0; out < OUTS; ++out) add_row<1>(0, block, out, {weights(out, block)});
        } else {
            Decoded<OUTS> all;
            for (int out = 0; out < OUTS; ++out) all.weight[out] = weights(out, block);
            for (int row = 0; row < ROWS; ++row) add_row<OUTS>(row, block, 0, all);
        }
    }

    template <int COUNT>
    inline void add_row(int row, int64_t block, int first_out, const Decoded<COUNT>& decoded) {
        const float* x = rows[row] + block * BLOCK_VALUES;
        const Lanes first = load(x), second = load(x + LANES);
        for (int i = 0; i < COUNT; ++i) {
            Lanes& sum = lanes[first_out + i][row];
            sum = fused(decoded.weight[i].first, first, sum);
        }
        for (int i = 0; i < COUNT; ++i) {
            Lanes& sum = lanes[first_out + i][row];
            sum = fused(decoded.weight[i].second, second, sum);
        }
    }

    inline void add_stretch(int64_t first, int64_t past) {
        int64_t block = first;
        for (; block + BLOCKS_PER_LINE <= past; block += BLOCKS_PER_LINE) {
            prefetch(block);
#pragma GCC unroll 4
            for (int64_t next = 0; next < BLOCKS_PER_LINE; ++next) add(block + next);
        }
        for (; block < past; ++block) add(block);
    }
};

// What waits in memory between stretches.
template <int ROWS>
using PartialSums = float[MAX_TILE_OUTS][ROWS][LANES];

template <int OUTS, int ROWS>
inline void add_outs(const PackedTile& tile, int64_t out, const float* const* rows, int64_t first, int64_t past,
                     PartialSums<ROWS>& partial) {
    const int64_t index = out * tile.num_blocks;
    Sums<OUTS, ROWS> sums{tile.blocks + index * BLOCK_BYTES, tile.scales + index, tile.num_blocks, rows, {}};
    for (int i = 0; first > 0 && i < OUTS; ++i) {
        for (int row = 0; row < ROWS; ++row) sums.lanes[i][row] = load(partial[out + i][row]);
    }
    sums.add_stretch(first, past);
    for (int i = 0; i < OUTS; ++i) {
        for (int row = 0; row < ROWS; ++row) store(partial[out + i][row], sums.lanes[i][row]);
    }
}

// A stretch is as long as lets its part of the rows stay near while every matrix row of the tile meets it.
template <int ROWS>
void multiply_rows(const PackedTile& tile, const float* const* rows, float* result) {
    constexpr int64_t STRETCH = BYTES_OF_ROWS_NEAR / (ROWS * BLOCK_VALUES * sizeof(float));
    constexpr int OUTS = outs_at_once(ROWS);
    alignas(64) PartialSums<ROWS> partial;
    for (int64_t first = 0; first == 0 || first < tile.num_blocks; first += STRETCH) {
        const int64_t past = first + STRETCH < tile.num_blocks ? first + STRETCH : tile.num_blocks;
        int64_t out = 0;
        for (; out + OUTS <= tile.num_outs; out += OUTS) add_outs<OUTS, ROWS>(tile, out, rows, first, past, partial);
        for (; out < tile.num_outs; ++out) add_outs<1, ROWS>(tile, out, rows, first, past, partial);
    }
    for (int row = 0; row < ROWS; ++row) {
        float* of_row = result + row * MAX_TILE_OUTS;
        int64_t out = 0;
        for (; out + TOTALS <= tile.num_outs; out += TOTALS) write_totals(partial[out][row], ROWS * LANES, of_row + out);
        for (; out < tile.num_outs; ++out) of_row[out] = total(load(partial[out][row]));
    }
}

template <int ROWS>
void multiply_at_once(int64_t num_rows, const PackedTile& tile, const float* const* rows, float* result) {
    if (num_rows == ROWS) return multiply_rows<ROWS>(tile, rows, result);
    if constexpr (ROWS > 1) multiply_at_once<ROWS - 1>(num_rows, tile, rows, result);
}

// In turns of nearly the same size: a last turn of one row would decode for that row alone.
void multiply_tile(const PackedTile& tile, const float* const* rows, int64_t num_rows, float* result) {
    int64_t turns = (num_rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    for (int64_t row = 0; turns > 0; --turns) {
        const int64_t count = (num_rows - row) / turns;
        multiply_at_once<ROWS_AT_ONCE>(count, tile, rows + row, result + row * MAX_TILE_OUTS);
        row += count;
    }
}

}  // namespace
}  // namespace expertmesh
