// The body of each swiglu_*: a loop that the compiler turns into the instructions that its file may use.
//
// Products and sums are never fused here, and the exponential is our own: the libraries' have a result of their own
// on each machine.

#pragma once

#include <cstdint>

#include "float_bits.h"

namespace expertmesh {
namespace {

constexpr float ALPHA = 1.702f;

// Comparisons let NaN pass, as torch's clamp does.
inline float at_most(float value, float limit) { return value > limit ? limit : value; }

inline float at_least(float value, float limit) { return value < limit ? limit : value; }

// e^x = 2^n · e^r with |r| ≤ ln(2) / 2, where the series of e^r is exact to 1e-8 after its eighth term.
// Above 88 infinity, which the sigmoid does not tell from what is there; below −87 what is nothing beside 1.
inline float exponential(float x) {
    constexpr float LOG2_E = 1.44269504f, LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;
    constexpr float TO_INTEGER = 12582912.0f;  // 1.5 · 2^23, whose last bit is 1
    const float within = at_least(at_most(x, 88.0f), -87.0f);
    const float shifted = within * LOG2_E + TO_INTEGER;
    const float n = shifted - TO_INTEGER;
    const float r = within - n * LN2_HIGH - n * LN2_LOW;
    float series = 1.0f / 5040;
    series = series * r + 1.0f / 720;
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * r * r + r + 1.0f;
    const float power = float_of((bits_of(shifted) << 23) + 0x3F800000);
    return x > 88.0f ? float_of(0x7F800000) : series * power;
}

inline void swiglu(const float* __restrict__ sums, int64_t num_pairs, float limit, float* __restrict__ y) {
    for (int64_t pair = 0; pair < num_pairs; ++pair) {
        const float gate = at_most(sums[2 * pair], limit);
        const float up = at_least(at_most(sums[2 * pair + 1], limit), -limit);
        y[pair] = gate / (1.0f + exponential(-ALPHA * gate)) * (up + 1.0f);
    }
}

}  // namespace
}  // namespace expertmesh
