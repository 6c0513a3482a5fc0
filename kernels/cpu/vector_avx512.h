// Sixteen floats in an AVX-512 register. The meaning of each function but `transpose`: vector_plain.h.

#pragma once

#include <immintrin.h>

#include <cstdint>

namespace expertmesh {
namespace {

using Vector = __m512;

constexpr int WIDTH = 16;
constexpr int REGISTERS = 32;

inline Vector load(const float* from) { return _mm512_loadu_ps(from); }

inline void store(float* to, Vector values) { _mm512_storeu_ps(to, values); }

inline Vector all(float value) { return _mm512_set1_ps(value); }

inline Vector fused(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }

inline Vector sum(Vector a, Vector b) { return _mm512_add_ps(a, b); }

inline Vector product(Vector a, Vector b) { return _mm512_mul_ps(a, b); }

inline Vector quotient(Vector a, Vector b) { return _mm512_div_ps(a, b); }

inline Vector greater(Vector a, Vector b) { return _mm512_max_ps(a, b); }

inline Vector rounded(Vector values) {
    return _mm512_roundscale_ps(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline Vector power_of_two(Vector exponents) {
    const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(exponents), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
}

inline Vector zero_where_less(Vector tried, Vector limit, Vector values) {
    return _mm512_mask_mov_ps(values, _mm512_cmp_ps_mask(tried, limit, _CMP_LT_OQ), _mm512_setzero_ps());
}

// Sixteen rows to sixteen columns: within quarters of four, then the quarters.
inline void transpose(Vector (&rows)[16]) {
    Vector quarters[16];
    for (int i = 0; i < 16; i += 4) {
        const Vector low = _mm512_unpacklo_ps(rows[i], rows[i + 1]), high = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
        const Vector next_low = _mm512_unpacklo_ps(rows[i + 2], rows[i + 3]);
        const Vector next_high = _mm512_unpackhi_ps(rows[i + 2], rows[i + 3]);
        quarters[i] = _mm512_shuffle_ps(low, next_low, 0x44);
        quarters[i + 1] = _mm512_shuffle_ps(low, next_low, 0xEE);
        quarters[i + 2] = _mm512_shuffle_ps(high, next_high, 0x44);
        quarters[i + 3] = _mm512_shuffle_ps(high, next_high, 0xEE);
    }
    for (int i = 0; i < 4; ++i) {
        const Vector even = _mm512_shuffle_f32x4(quarters[i], quarters[i + 4], 0x88);
        const Vector odd = _mm512_shuffle_f32x4(quarters[i], quarters[i + 4], 0xDD);
        const Vector next_even = _mm512_shuffle_f32x4(quarters[i + 8], quarters[i + 12], 0x88);
        const Vector next_odd = _mm512_shuffle_f32x4(quarters[i + 8], quarters[i + 12], 0xDD);
        rows[i] = _mm512_shuffle_f32x4(even, next_even, 0x88);
        rows[i + 4] = _mm512_shuffle_f32x4(odd, next_odd, 0x88);
        rows[i + 8] = _mm512_shuffle_f32x4(even, next_even, 0xDD);
        rows[i + 12] = _mm512_shuffle_f32x4(odd, next_odd, 0xDD);
    }
}

inline float total(const Vector (&sixteen)[1]) {
    const __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sixteen[0]), 1));
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sixteen[0]), upper);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

}  // namespace
}  // namespace expertmesh
