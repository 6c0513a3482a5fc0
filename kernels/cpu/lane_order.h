// The order of every sum, the same for each instruction set, number of rows and number of threads.
//
// A dot product runs in 16 lanes. Of each block of 32 inputs a lane takes two, in two steps, and each lane adds
// with one rounding (fused) in the order of the blocks; `total` adds the 16 lanes in a fixed tree:
//
//     lane l, step s takes input  16 · (l / 8)  +  4 · (l % 4)  +  (l % 8) / 4  +  2 · s  of its block
//
// which is where 16 packed bytes fall by themselves when AVX2 spreads them into registers.
//
// Where a lane stands in a register is each instruction set's own affair: "arranged" floats lie as its INPUT_AT
// says (lanes_*.h), 16 for the first step, then 16 for the second.

#pragma once

#include <cstdint>

namespace expertmesh {

constexpr int LANES = 16;
constexpr int TOTALS = 16;  // sums whose lanes are added up at once
constexpr int BLOCK_VALUES = 32;
constexpr int BLOCK_BYTES = 16;

}  // namespace expertmesh
