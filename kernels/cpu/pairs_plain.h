// Pairs of bfloat16 in portable C++: the meaning of what AVX2 and AVX-512 do in a register.

#pragma once

#include <cstdint>

#include "vector_plain.h"

namespace expertmesh {
namespace {

constexpr int ROWS_TOGETHER = 3;  // of activations: their sums with two matrix rows leave registers for the factors

// WIDTH of them.
struct Pairs {
    uint16_t values[2 * WIDTH];
};

// The same part, of the lanes, of a line's two blocks.
struct TwoBlocks {
    Pairs first, second;
};

// `fused`. Elsewhere an instruction of its own: left to themselves compilers move sums from register to register, and
// factors through memory.
inline Vector add_product(Vector sum, Vector a, Vector b) { return fused(a, b, sum); }

// The first of each pair; `odds` are the second ones.
inline Vector evens(const Pairs& pairs) {
    return each([&](int l) { return float_of(static_cast<uint32_t>(pairs.values[2 * l]) << 16); });
}

inline Vector odds(const Pairs& pairs) {
    return each([&](int l) { return float_of(static_cast<uint32_t>(pairs.values[2 * l + 1]) << 16); });
}

// A line of a matrix as a checkpoint has it.
inline TwoBlocks stored_blocks(const uint16_t* line, int part) {
    TwoBlocks blocks;
    std::memcpy(blocks.first.values, line + 2 * WIDTH * part, sizeof blocks.first);
    std::memcpy(blocks.second.values, line + 32 + 2 * WIDTH * part, sizeof blocks.second);
    return blocks;
}

// Of each: [COUNT] sums of sixteen lanes.
template <int COUNT, int PARTS>
inline void totals(const Vector (&sums)[COUNT][PARTS], float* to) {
    for (int i = 0; i < COUNT; ++i) to[i] = total(sums[i]);
}

}  // namespace
}  // namespace expertmesh
