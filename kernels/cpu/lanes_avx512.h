// Sixteen lanes in one AVX-512 register. The meaning of each function: lanes_plain.h.

#pragma once

#include <immintrin.h>

#include "lane_order.h"
#include "scale_tables.h"

namespace expertmesh {
namespace {

// Sums held in registers at a time: there are 32 of them, so also more than one matrix row with several rows.
constexpr int OUTS_OF_ONE_ROW = 4;
constexpr int OUTS_OF_MORE_ROWS = 2;

using Lanes = __m512;

struct DecodedBlock {
    Lanes first, second;
};

inline Lanes zero() { return _mm512_setzero_ps(); }

inline Lanes load(const float* from) { return _mm512_loadu_ps(from); }

inline void store(float* to, Lanes lanes) { _mm512_storeu_ps(to, lanes); }

inline Lanes fused(Lanes weight, Lanes x, Lanes sum) { return _mm512_fmadd_ps(weight, x, sum); }

inline float total(Lanes lanes) {
    const __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(lanes), 1));
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), upper);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// Each pair of bytes goes to two lanes, the second shifted to its high nibbles; a lookup heeds four bits alone.
inline DecodedBlock decode(const uint8_t* bytes, uint8_t scale) {
    const __m512i pair_of_lane = _mm512_set_epi32(
        0x80800F0E, 0x80800D0C, 0x80800B0A, 0x80800908, 0x80800F0E, 0x80800D0C, 0x80800B0A, 0x80800908,
        0x80800706, 0x80800504, 0x80800302, 0x80800100, 0x80800706, 0x80800504, 0x80800302, 0x80800100);
    const __m512i shifts = _mm512_set_epi32(4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0);
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    const __m512i pairs = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(packed), pair_of_lane);
    const __m512i nibbles = _mm512_srlv_epi32(pairs, shifts);
    const __m512 table = _mm512_load_ps(SCALE_TABLES.value[scale]);
    return {_mm512_permutexvar_ps(nibbles, table),
            _mm512_permutexvar_ps(_mm512_srli_epi32(nibbles, 8), table)};
}

}  // namespace
}  // namespace expertmesh
