// Sixteen pairs of bfloat16 in an AVX-512 register. The meaning of each function: pairs_plain.h; of a compact line:
// compact_rows.h.

#pragma once

#include "compact_rows.h"
#include "vector_avx512.h"

namespace expertmesh {
namespace {

constexpr int ROWS_TOGETHER = 8;  // of activations: their sums with two matrix rows leave registers for the factors

using Pairs = __m512i;
using UpperBytes = __m512i;  // the sixteen that names stand for, in each quarter

struct TwoBlocks {
    Pairs first, second;
};

inline Vector add_product(Vector sum, Vector a, Vector b) {
    asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

inline Vector evens(Pairs pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }

inline Vector odds(Pairs pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xFFFF0000))));
}

inline TwoBlocks stored_blocks(const uint16_t* line, int) {
    return {_mm512_loadu_si512(line), _mm512_loadu_si512(line + 32)};
}

inline UpperBytes load_upper_bytes(const uint8_t* bytes) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

inline TwoBlocks interleaved(__m512i lower, __m512i upper) {
    return {_mm512_unpacklo_epi8(lower, upper), _mm512_unpackhi_epi8(lower, upper)};
}

inline TwoBlocks compact_blocks(const uint8_t* line, UpperBytes upper_bytes, int) {
    const __m512i shifts = _mm512_set_epi64(4, 4, 4, 4, 0, 0, 0, 0);
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line + LINE_VALUES));
    const __m512i names = _mm512_srlv_epi64(_mm512_broadcast_i64x4(bytes), shifts);
    const __m512i upper = _mm512_shuffle_epi8(upper_bytes, _mm512_and_si512(names, _mm512_set1_epi8(0x0F)));
    return interleaved(_mm512_loadu_si512(line), upper);
}

inline TwoBlocks blocks_with_others(const uint8_t* line, const uint8_t* others, int) {
    return interleaved(_mm512_loadu_si512(line), _mm512_loadu_si512(others));
}

// The tree of `total` for sixteen sums at once: each round adds halves of two registers' quarters, so that their number
// halves, and in the end lane 4 · q + i has the total of what stood at 4 · i + q.
inline Vector sixteen_totals(const Vector (&sums)[16]) {
    Vector eights[8], fours[4], twos[2];
    for (int i = 0; i < 8; ++i) {
        const Vector a = sums[2 * i], b = sums[2 * i + 1];
        eights[i] = sum(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
    }
    for (int i = 0; i < 4; ++i) {
        const Vector a = eights[2 * i], b = eights[2 * i + 1];
        fours[i] = sum(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
    }
    for (int i = 0; i < 2; ++i) {
        const Vector a = fours[2 * i], b = fours[2 * i + 1];
        twos[i] = sum(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xEE));
    }
    return sum(_mm512_shuffle_ps(twos[0], twos[1], 0x88), _mm512_shuffle_ps(twos[0], twos[1], 0xDD));
}

template <int COUNT>
inline void totals(const Vector (&sums)[COUNT][1], float* to) {
    if constexpr (COUNT == 16) {
        Vector in_order[16];
        for (int i = 0; i < 16; ++i) in_order[i] = sums[i % 4 * 4 + i / 4][0];
        store(to, sixteen_totals(in_order));
    } else {
        for (int i = 0; i < COUNT; ++i) to[i] = total(sums[i]);
    }
}

}  // namespace
}  // namespace expertmesh
