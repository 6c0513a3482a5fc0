// The body of each multiply_tile_*: included once per instruction set, after its lanes_*.h.
//
// All is in an unnamed namespace and calls nothing of the standard library: a function compiled here for one
// processor must never be the one that the linker keeps for another.
//
// Up to four rows share what is decoded. Whatever the number, each (row, out) adds in the order of lane_order.h.

#pragma once

#include "tile.h"

namespace expertmesh {
namespace {

constexpr int ROWS_AT_ONCE = 4;
constexpr int64_t BLOCKS_PER_LINE = 64 / BLOCK_BYTES;  // of the cache
constexpr int64_t PREFETCH_BYTES = 4096;  // matrix rows are too short for the processor's own prefetchers
constexpr int64_t BYTES_OF_ROWS_NEAR = 24 * 1024;  // of what the rows' stretch may fill of a first-level cache

// Some matrix rows times some rows, in registers.
template <int OUTS, int ROWS>
struct Sums {
    const uint8_t* blocks;  // of the first matrix row
    const uint8_t* scales;
    int64_t num_blocks;  // from one matrix row to the next
    const float* const* rows;
    Lanes lanes[OUTS][ROWS];

    inline void prefetch(int64_t block) const {
        for (int out = 0; out < OUTS; ++out) {
            __builtin_prefetch(blocks + (out * num_blocks + block) * BLOCK_BYTES + PREFETCH_BYTES);
        }
    }

    inline void add(int64_t block) {
        for (int out = 0; out < OUTS; ++out) {
            const int64_t index = out * num_blocks + block;
            const DecodedBlock weight = decode(blocks + index * BLOCK_BYTES, scales[index]);
            for (int row = 0; row < ROWS; ++row) {
                const float* x = rows[row] + block * BLOCK_VALUES;
                lanes[out][row] = fused(weight.first, load(x), lanes[out][row]);
                lanes[out][row] = fused(weight.second, load(x + LANES), lanes[out][row]);
            }
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
    for (int i = 0; i < OUTS; ++i) {
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
    constexpr int OUTS = ROWS == 1 ? OUTS_OF_ONE_ROW : OUTS_OF_MORE_ROWS;
    alignas(64) PartialSums<ROWS> partial = {};
    for (int64_t first = 0; first < tile.num_blocks; first += STRETCH) {
        const int64_t past = first + STRETCH < tile.num_blocks ? first + STRETCH : tile.num_blocks;
        int64_t out = 0;
        for (; out + OUTS <= tile.num_outs; out += OUTS) add_outs<OUTS, ROWS>(tile, out, rows, first, past, partial);
        for (; out < tile.num_outs; ++out) add_outs<1, ROWS>(tile, out, rows, first, past, partial);
    }
    for (int row = 0; row < ROWS; ++row) {
        for (int64_t out = 0; out < tile.num_outs; ++out) {
            result[row * MAX_TILE_OUTS + out] = total(load(partial[out][row]));
        }
    }
}

inline void multiply_tile(const PackedTile& tile, const float* const* rows, int64_t num_rows, float* result) {
    for (int64_t row = 0; row < num_rows; row += ROWS_AT_ONCE) {
        float* of_row = result + row * MAX_TILE_OUTS;
        switch (num_rows - row) {
            case 1: multiply_rows<1>(tile, rows + row, of_row); break;
            case 2: multiply_rows<2>(tile, rows + row, of_row); break;
            case 3: multiply_rows<3>(tile, rows + row, of_row); break;
            default: multiply_rows<ROWS_AT_ONCE>(tile, rows + row, of_row);
        }
    }
}

}  // namespace
}  // namespace expertmesh
