// Eight floats in an AVX2 register. The meaning of each function: vector_plain.h.

#pragma once

#include <immintrin.h>

#include <cstdint>

namespace expertmesh {
namespace {

using Vector = __m256;

constexpr int WIDTH = 8;
constexpr int REGISTERS = 16;

inline Vector load(const float* from) { return _mm256_loadu_ps(from); }

inline void store(float* to, Vector values) { _mm256_storeu_ps(to, values); }

inline Vector all(float value) { return _mm256_set1_ps(value); }

inline Vector fused(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }

inline Vector sum(Vector a, Vector b) { return _mm256_add_ps(a, b); }

inline Vector product(Vector a, Vector b) { return _mm256_mul_ps(a, b); }

inline Vector quotient(Vector a, Vector b) { return _mm256_div_ps(a, b); }

inline Vector greater(Vector a, Vector b) { return _mm256_max_ps(a, b); }

inline Vector rounded(Vector values) {
    return _mm256_round_ps(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline Vector power_of_two(Vector exponents) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponents), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}

inline Vector zero_where_less(Vector tried, Vector limit, Vector values) {
    return _mm256_andnot_ps(_mm256_cmp_ps(tried, limit, _CMP_LT_OQ), values);
}

inline float total(const Vector (&sixteen)[2]) {
    const __m256 eight = _mm256_add_ps(sixteen[0], sixteen[1]);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

}  // namespace
}  // namespace expertmesh
