// The body of each round_int8_*: loops that the compiler turns into the instructions that its file may use.
//
// The scale is the largest magnitude / 127, rounded up to eight significant bits: so a block's sum times it is exact
// (int8_tile.h), and no value is beyond 127. A block with a NaN or an infinity becomes NaN as a whole, one with
// nothing above 2^−119 zero.

#pragma once

#include "float_bits.h"
#include "round_int8.h"

namespace expertmesh {
namespace {

// Ties to even. Only for what is far from 2^22.
inline int32_t to_nearest(float value) { return static_cast<int32_t>(bits_of(value + 12582912.0f) - 0x4B400000); }

// As integers floats compare by magnitude, and what is no number is largest. Zeros may have any scale.
inline float scale_of(const float* x) {
    uint32_t largest = 0;
    for (int i = 0; i < BLOCK_VALUES; ++i) {
        const uint32_t magnitude = bits_of(x[i]) & 0x7FFFFFFF;
        largest = magnitude > largest ? magnitude : largest;
    }
    constexpr uint32_t INFINITE = 0x7F800000, LEAST = 0x04000000;  // 2^−119
    if (largest >= INFINITE) return float_of(0x7FC00000);
    return largest < LEAST ? 1.0f : float_of((bits_of(float_of(largest) / 127) + 0xFFFF) & 0xFFFF0000);
}

inline void quantize(const float* x, Int8Block& to) {
    const float scale = scale_of(x);
    const float inverse = scale > 0 ? 1 / scale : 0.0f;
    int32_t rounded[BLOCK_VALUES], sum = 0;
    for (int i = 0; i < BLOCK_VALUES; ++i) sum += rounded[i] = inverse == 0 ? 0 : to_nearest(x[i] * inverse);
    for (int i = 0; i < BLOCK_VALUES; ++i) {
        to.values[i] = static_cast<int8_t>(rounded[i / 8 * 8 + VALUE_AT[i % 8]]);
    }
    to.scale = scale / 2;
    to.start = -WEIGHT_OFFSET * sum;
}

inline bool round_int8(const void* x, ScalarType type, int64_t start, int64_t num_blocks, Int8Block* to) {
    bool all_moderate = true;
    for (int64_t block = 0; block < num_blocks; ++block) {
        float values[BLOCK_VALUES];
        read_scalars(x, type, start + block * BLOCK_VALUES, BLOCK_VALUES, values);
        quantize(values, to[block]);
        all_moderate = all_moderate && is_moderate(bits_of(to[block].scale) >> 23);
    }
    return all_moderate;
}

}  // namespace
}  // namespace expertmesh
