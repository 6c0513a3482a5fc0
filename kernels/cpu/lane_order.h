// The order of every sum, the same for each instruction set, number of rows and number of threads.
//
// A dot product runs in 16 lanes. Of each block of 32 inputs a lane takes two, in two steps, and each lane adds
// with one rounding (fused) in the order of the blocks; `total` adds the 16 lanes in a fixed tree:
//
//     lane l, step s takes input  16 · (l / 8)  +  4 · (l % 4)  +  (l % 8) / 4  +  2 · s  of its block
//
// which is where 16 packed bytes fall by themselves when AVX2 spreads them into registers.
//
// "Arranged" floats lie in that order: position 16 · s + l of a block.

#pragma once

#include <cstdint>

namespace expertmesh {

constexpr int LANES = 16;
constexpr int BLOCK_VALUES = 32;
constexpr int BLOCK_BYTES = 16;

// The input of a block that stands at each position of an arranged block.
constexpr int INPUT_AT[BLOCK_VALUES] = {
    0, 4, 8, 12, 1, 5, 9, 13, 16, 20, 24, 28, 17, 21, 25, 29,    // step 0
    2, 6, 10, 14, 3, 7, 11, 15, 18, 22, 26, 30, 19, 23, 27, 31,  // step 1
};

}  // namespace expertmesh
