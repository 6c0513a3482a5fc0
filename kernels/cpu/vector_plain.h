// Eight floats in portable C++: the meaning of what AVX2 and AVX-512 do in a register, eight or sixteen at a time.

#pragma once

#include <cstdint>

#include "float_bits.h"

namespace expertmesh {
namespace {

constexpr int WIDTH = 8;
constexpr int REGISTERS = 8;  // of this width: sixteen of four floats each

struct Vector {
    float lane[WIDTH];
};

template <typename Function>
inline Vector each(Function value_of_lane) {
    Vector result;
    for (int l = 0; l < WIDTH; ++l) result.lane[l] = value_of_lane(l);
    return result;
}

inline Vector load(const float* from) {
    return each([=](int l) { return from[l]; });
}

inline void store(float* to, Vector values) {
    for (int l = 0; l < WIDTH; ++l) to[l] = values.lane[l];
}

inline Vector all(float value) {
    return each([=](int) { return value; });
}

// One rounding where the processor has it (arm64), the very bits of AVX2; two where it would be a slow call.
inline Vector fused(Vector a, Vector b, Vector sum) {
#ifdef __FP_FAST_FMAF
    return each([&](int l) { return __builtin_fmaf(a.lane[l], b.lane[l], sum.lane[l]); });
#else
    return each([&](int l) { return a.lane[l] * b.lane[l] + sum.lane[l]; });
#endif
}

inline Vector sum(Vector a, Vector b) {
    return each([&](int l) { return a.lane[l] + b.lane[l]; });
}

inline Vector product(Vector a, Vector b) {
    return each([&](int l) { return a.lane[l] * b.lane[l]; });
}

inline Vector quotient(Vector a, Vector b) {
    return each([&](int l) { return a.lane[l] / b.lane[l]; });
}

// b where one of them is NaN.
inline Vector greater(Vector a, Vector b) {
    return each([&](int l) { return a.lane[l] > b.lane[l] ? a.lane[l] : b.lane[l]; });
}

// To the nearest integer, ties to even; for less than 2^22.
inline Vector rounded(Vector values) {
    constexpr float NO_FRACTIONS = 12582912.0f;  // 1.5 · 2^23
    return each([&](int l) { return (values.lane[l] + NO_FRACTIONS) - NO_FRACTIONS; });
}

// Of integers from -126 to 127; of a NaN, anything.
inline Vector power_of_two(Vector exponents) {
    return each([&](int l) {
        const float exponent = exponents.lane[l] == exponents.lane[l] ? exponents.lane[l] : 0.0f;
        return float_of(static_cast<uint32_t>(static_cast<int32_t>(exponent) + 127) << 23);
    });
}

// `values`, but 0 where `tried` is less than `limit`; a NaN is not.
inline Vector zero_where_less(Vector tried, Vector limit, Vector values) {
    return each([&](int l) { return tried.lane[l] < limit.lane[l] ? 0.0f : values.lane[l]; });
}

// Of sixteen lanes, halves onto halves: 16, 8, 4, 2, 1.
inline float total(const Vector (&sixteen)[2]) {
    Vector lanes = sum(sixteen[0], sixteen[1]);
    for (int half = WIDTH / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) lanes.lane[l] += lanes.lane[l + half];
    }
    return lanes.lane[0];
}

}  // namespace
}  // namespace expertmesh
