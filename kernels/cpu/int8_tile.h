// A tile of a packed matrix times rows of int8: the one function that each instruction set brings for them.
//
// Twice an E2M1 value is a whole number, so a block's 32 products are added as integers, in any order. Their sum
// times a scale of eight significant bits is exact in float32, and the blocks are added in their order: all
// instruction sets give the same bits, with fused multiply-add and without.
//
//     sum = Σ over blocks of  dot · (2^(scale byte − 127) · row scale)      one rounding a block
//
// Not here: how rows become int8 (round_int8_body.h).

#pragma once

#include "lane_order.h"
#include "tile.h"

namespace expertmesh {

// What is added to twice a weight, so that it is not negative: the instructions take one factor unsigned.
constexpr int WEIGHT_OFFSET = 12;

struct Int8Block {
    int8_t values[BLOCK_VALUES];  // each eight as VALUE_AT says
    float scale;                  // of half a value each
    int32_t start;                // what makes good for the offset, −12 · the sum of the values
};

struct Int8Row {
    const Int8Block* blocks;  // [num_blocks]
    bool is_moderate;         // all its scales
};

// Of each file alone, for the reason that multiply_tile.h gives.
namespace {

// A scale within 2^±62, by its exponent in float32: the product of two is normal, so that exponents may be added.
constexpr bool is_moderate(int exponent) { return 65 <= exponent && exponent <= 189; }

}  // namespace

// The value of eight that stands at each position: low nibbles hold even values, high nibbles odd ones.
constexpr int VALUE_AT[8] = {0, 2, 4, 6, 1, 3, 5, 7};

// rows: [num_rows] -> sums [num_rows, MAX_TILE_OUTS].
using MultiplyInt8Tile = void (*)(const PackedTile& tile, const Int8Row* rows, int64_t num_rows, float* sums);

void multiply_int8_tile_plain(const PackedTile&, const Int8Row*, int64_t, float*);
void multiply_int8_tile_avx2(const PackedTile&, const Int8Row*, int64_t, float*);
void multiply_int8_tile_avx512vnni(const PackedTile&, const Int8Row*, int64_t, float*);

}  // namespace expertmesh
