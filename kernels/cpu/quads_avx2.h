// Dot products of int8 with AVX2: eight matrix rows. The meaning of each function: quads_plain.h.

#pragma once

#include <immintrin.h>

#include <cstring>

#include "int8_tile.h"
#include "lane_order.h"
#include "turn_bytes.h"

namespace expertmesh {
namespace {

constexpr int WIDTH = 8;
constexpr int ROWS_AT_ONCE = 4;
constexpr int SLAB_BANDS = 1, SLAB_ROWS = 3;  // of many rows: sums and dot products of each in registers
constexpr int64_t ROWS_WORTH_A_SLAB = 5;

using Floats = __m256;
using Ints = __m256i;

// Lane i of each register has four values of matrix row i, and the offset.
struct Quads {
    __m256i quad[8];
};

inline Floats zero() { return _mm256_setzero_ps(); }

inline Floats load(const float* from) { return _mm256_loadu_ps(from); }

inline void store(float* to, Floats floats) { _mm256_storeu_ps(to, floats); }

inline void turn(const uint8_t* rows, int64_t stride, int64_t count, uint8_t* to) {
    for (int64_t next = 0; next < count; next += 16) {
        const int64_t column = next + 16 <= count || count < 16 ? next : count - 16;  // the last overlap
        __m128i bytes[16] = {};
        for (int i = 0; i < WIDTH; ++i) bytes[i] = load_bytes(rows + i * stride + column, count - column);
        turn_bytes(bytes);
        for (int i = 0; i < 16; ++i) _mm_storel_epi64(reinterpret_cast<__m128i*>(to + (column + i) * WIDTH), bytes[i]);
    }
}

// A block of a matrix row and of the fourth behind it.
[[gnu::always_inline]] inline __m256i load_fourths(const uint8_t* rows, int64_t stride) {
    return _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(rows + 4 * stride),
                               reinterpret_cast<const __m128i*>(rows));
}

[[gnu::always_inline]] inline Quads decode(const uint8_t* rows, int64_t stride) {
    const __m256i a = load_fourths(rows, stride), b = load_fourths(rows + stride, stride);
    const __m256i c = load_fourths(rows + 2 * stride, stride), d = load_fourths(rows + 3 * stride, stride);
    const __m256i ab_low = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
    const __m256i cd_low = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
    const __m256i bytes[4] = {
        _mm256_unpacklo_epi64(ab_low, cd_low), _mm256_unpackhi_epi64(ab_low, cd_low),
        _mm256_unpacklo_epi64(ab_high, cd_high), _mm256_unpackhi_epi64(ab_high, cd_high)};
    const __m256i values = _mm256_broadcastsi128_si256(  // WEIGHT_OFFSET + 2 · E2M1
        _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    const __m256i nibble = _mm256_set1_epi8(0x0F);
    Quads quads;
    for (int i = 0; i < 4; ++i) {
        quads.quad[2 * i] = _mm256_shuffle_epi8(values, _mm256_and_si256(bytes[i], nibble));
        quads.quad[2 * i + 1] =
            _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi32(bytes[i], 4), nibble));
    }
    return quads;
}

// A power of two is its exponent's bits; 2^−127 is subnormal, and 255 means NaN.
[[gnu::always_inline]] inline Floats to_scales(const uint8_t* bytes) {
    const __m256i exponents = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
    const __m256i bits = _mm256_max_epi32(_mm256_slli_epi32(exponents, 23), _mm256_set1_epi32(0x00400000));
    const __m256i is_nan = _mm256_cmpeq_epi32(exponents, _mm256_set1_epi32(255));
    return _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_and_si256(is_nan, _mm256_set1_epi32(0x00400000))));
}

// What is added to the exponent of a row's scale, where both are moderate.
[[gnu::always_inline]] inline Ints to_shifts(const uint8_t* bytes) {
    const __m256i exponents = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
    return _mm256_slli_epi32(_mm256_sub_epi32(exponents, _mm256_set1_epi32(127)), 23);
}

// A pair of products is 2 · 24 · 127 at most, so that four pairs fit in 16 bits, and are widened then.
struct Dots {
    __m256i wide, pairs;
};

[[gnu::always_inline]] inline Dots begin(int32_t start) { return {_mm256_set1_epi32(start), _mm256_setzero_si256()}; }

[[gnu::always_inline]] inline Ints four_of(const int8_t* x) {
    int32_t four;
    std::memcpy(&four, x, sizeof four);
    return _mm256_set1_epi32(four);
}

[[gnu::always_inline]] inline Dots add_four(Dots dots, Ints quad, Ints four) {
    return {dots.wide, _mm256_add_epi16(dots.pairs, _mm256_maddubs_epi16(quad, four))};
}

[[gnu::always_inline]] inline Dots widened(Dots dots) {
    return {_mm256_add_epi32(dots.wide, _mm256_madd_epi16(dots.pairs, _mm256_set1_epi16(1))), _mm256_setzero_si256()};
}

[[gnu::always_inline]] inline Ints total(Dots dots) { return dots.wide; }

[[gnu::always_inline]] inline Ints dot(int32_t start, const Quads& quads, const int8_t* x) {
    Dots dots = begin(start);
    for (int i = 0; i < 4; ++i) dots = add_four(dots, quads.quad[i], four_of(x + 4 * i));
    dots = widened(dots);
    for (int i = 4; i < 8; ++i) dots = add_four(dots, quads.quad[i], four_of(x + 4 * i));
    return total(widened(dots));
}

[[gnu::always_inline]] inline Floats add_scaled(Ints dots, Floats weight_scales, float scale, Floats sums) {
    const __m256 scales = _mm256_mul_ps(weight_scales, _mm256_set1_ps(scale));
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scales, sums);
}

[[gnu::always_inline]] inline Floats add_scaled(Ints dots, Ints weight_shifts, float scale, Floats sums) {
    const __m256i scales = _mm256_add_epi32(weight_shifts, _mm256_castps_si256(_mm256_set1_ps(scale)));
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), _mm256_castsi256_ps(scales), sums);
}

}  // namespace
}  // namespace expertmesh
