// Dot products of int8 with AVX-512 F, BW and VNNI: sixteen matrix rows. The meaning of each function: quads_plain.h.

#pragma once

#include <immintrin.h>

#include <cstring>

#include "int8_tile.h"
#include "lane_order.h"
#include "turn_bytes.h"

namespace expertmesh {
namespace {

constexpr int WIDTH = 16;
constexpr int ROWS_AT_ONCE = 16;
constexpr int SLAB_BANDS = 3, SLAB_ROWS = 4;  // of many rows: sums and dot products of each in registers
constexpr int64_t ROWS_WORTH_A_SLAB = 5;

using Floats = __m512;
using Ints = __m512i;
using Dots = Ints;

// Lane i of each register has four values of matrix row i, and the offset.
struct Quads {
    __m512i quad[8];
};

inline Floats zero() { return _mm512_setzero_ps(); }

inline Floats load(const float* from) { return _mm512_loadu_ps(from); }

inline void store(float* to, Floats floats) { _mm512_storeu_ps(to, floats); }

inline void turn(const uint8_t* rows, int64_t stride, int64_t count, uint8_t* to) {
    for (int64_t next = 0; next < count; next += 16) {
        const int64_t column = next + 16 <= count || count < 16 ? next : count - 16;  // the last overlap
        __m128i bytes[16];
        for (int i = 0; i < 16; ++i) bytes[i] = load_bytes(rows + i * stride + column, count - column);
        turn_bytes(bytes);
        for (int i = 0; i < 16; ++i) _mm_store_si128(reinterpret_cast<__m128i*>(to + (column + i) * WIDTH), bytes[i]);
    }
}

// A block of every fourth matrix row.
[[gnu::always_inline]] inline __m512i load_fourths(const uint8_t* rows, int64_t stride) {
    const auto block = [=](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + row * stride)); };
    const __m512i one = _mm512_castsi128_si512(block(0));
    const __m512i two = _mm512_mask_broadcast_i32x4(one, 0x00F0, block(4));
    const __m512i three = _mm512_mask_broadcast_i32x4(two, 0x0F00, block(8));
    return _mm512_mask_broadcast_i32x4(three, 0xF000, block(12));
}

[[gnu::always_inline]] inline Quads decode(const uint8_t* rows, int64_t stride) {
    const __m512i a = load_fourths(rows, stride), b = load_fourths(rows + stride, stride);
    const __m512i c = load_fourths(rows + 2 * stride, stride), d = load_fourths(rows + 3 * stride, stride);
    const __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
    const __m512i bytes[4] = {
        _mm512_unpacklo_epi64(ab_low, cd_low), _mm512_unpackhi_epi64(ab_low, cd_low),
        _mm512_unpacklo_epi64(ab_high, cd_high), _mm512_unpackhi_epi64(ab_high, cd_high)};
    const __m512i values = _mm512_broadcast_i32x4(  // WEIGHT_OFFSET + 2 · E2M1
        _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    const __m512i nibble = _mm512_set1_epi8(0x0F);
    Quads quads;
    for (int i = 0; i < 4; ++i) {
        quads.quad[2 * i] = _mm512_shuffle_epi8(values, _mm512_and_si512(bytes[i], nibble));
        quads.quad[2 * i + 1] =
            _mm512_shuffle_epi8(values, _mm512_and_si512(_mm512_srli_epi32(bytes[i], 4), nibble));
    }
    return quads;
}

// A power of two is its exponent's bits; 2^−127 is subnormal, and 255 means NaN.
[[gnu::always_inline]] inline Floats to_scales(const uint8_t* bytes) {
    const __m512i exponents = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
    const __m512i bits = _mm512_max_epi32(_mm512_slli_epi32(exponents, 23), _mm512_set1_epi32(0x00400000));
    const __mmask16 is_nan = _mm512_cmpeq_epi32_mask(exponents, _mm512_set1_epi32(255));
    return _mm512_castsi512_ps(_mm512_mask_mov_epi32(bits, is_nan, _mm512_set1_epi32(0x7FC00000)));
}

// What is added to the exponent of a row's scale, where both are moderate.
[[gnu::always_inline]] inline Ints to_shifts(const uint8_t* bytes) {
    const __m512i exponents = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
    return _mm512_slli_epi32(_mm512_sub_epi32(exponents, _mm512_set1_epi32(127)), 23);
}

[[gnu::always_inline]] inline Dots begin(int32_t start) { return _mm512_set1_epi32(start); }

[[gnu::always_inline]] inline Ints four_of(const int8_t* x) {
    int32_t four;
    std::memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}

[[gnu::always_inline]] inline Dots add_four(Dots dots, Ints quad, Ints four) {
    return _mm512_dpbusd_epi32(dots, quad, four);
}

inline Dots widened(Dots dots) { return dots; }  // as they are from the start

inline Ints total(Dots dots) { return dots; }

[[gnu::always_inline]] inline Ints dot(int32_t start, const Quads& quads, const int8_t* x) {
    Ints dots = begin(start);
    for (int i = 0; i < 8; ++i) dots = add_four(dots, quads.quad[i], four_of(x + 4 * i));
    return dots;
}

[[gnu::always_inline]] inline Floats add_scaled(Ints dots, Floats weight_scales, float scale, Floats sums) {
    const __m512 scales = _mm512_mul_ps(weight_scales, _mm512_set1_ps(scale));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), scales, sums);
}

[[gnu::always_inline]] inline Floats add_scaled(Ints dots, Ints weight_shifts, float scale, Floats sums) {
    const __m512i scales = _mm512_add_epi32(weight_shifts, _mm512_castps_si512(_mm512_set1_ps(scale)));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_castsi512_ps(scales), sums);
}

}  // namespace
}  // namespace expertmesh
