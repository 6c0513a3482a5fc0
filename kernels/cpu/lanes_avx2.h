// Sixteen lanes in two AVX2 registers. The meaning of each function: lanes_plain.h.

#pragma once

#include <immintrin.h>

#include "lane_order.h"
#include "scale_tables.h"

namespace expertmesh {
namespace {

// As in lanes_plain.h.
constexpr int INPUT_AT[BLOCK_VALUES] = {
    0, 4, 8, 12, 1, 5, 9, 13, 16, 20, 24, 28, 17, 21, 25, 29,    // step 0
    2, 6, 10, 14, 3, 7, 11, 15, 18, 22, 26, 30, 19, 23, 27, 31,  // step 1
};

constexpr int ROWS_AT_ONCE = 4;

// Matrix rows at a time: enough sums to hide the latency of addition, few enough to leave room to decode.
constexpr int outs_at_once(int rows) { return rows == 1 ? 2 : 1; }

constexpr int64_t PREFETCH_BYTES = 4096;  // ahead: matrix rows are too short for the processor's own prefetchers
constexpr int64_t BYTES_OF_ROWS_NEAR = 24 * 1024;  // of what the rows' stretch may fill of the first-level cache

struct Lanes {
    __m256 low, high;
};

struct DecodedBlock {
    Lanes first, second;
};

inline Lanes load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }

inline void store(float* to, Lanes lanes) {
    _mm256_storeu_ps(to, lanes.low);
    _mm256_storeu_ps(to + 8, lanes.high);
}

inline Lanes fused(Lanes weight, Lanes x, Lanes sum) {
    return {_mm256_fmadd_ps(weight.low, x.low, sum.low), _mm256_fmadd_ps(weight.high, x.high, sum.high)};
}

inline float total(Lanes lanes) {
    const __m256 eight = _mm256_add_ps(lanes.low, lanes.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline void write_totals(const float* lanes, int64_t stride, float* to) {
    for (int i = 0; i < TOTALS; ++i) to[i] = total(load(lanes + i * stride));
}

inline __m256i broadcast(const uint8_t* sixteen_bytes) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen_bytes)));
}

// The value of a nibble is looked up byte by byte: its two upper bytes, all that are not zero.
inline DecodedBlock decode(const uint8_t* bytes, uint8_t scale) {
    const __m256i shifts = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
    const __m256i nibbles =  // 16 low ones, 16 high ones
        _mm256_and_si256(_mm256_srlv_epi32(broadcast(bytes), shifts), _mm256_set1_epi8(0x0F));
    const __m256i upper = _mm256_shuffle_epi8(broadcast(SCALE_TABLES.byte[scale][0]), nibbles);
    const __m256i second = _mm256_shuffle_epi8(broadcast(SCALE_TABLES.byte[scale][1]), nibbles);
    const __m256i low = _mm256_unpacklo_epi8(second, upper);  // of bytes 0 … 7: pairs of bfloat16
    const __m256i high = _mm256_unpackhi_epi8(second, upper);
    const __m256i odd = _mm256_set1_epi32(static_cast<int>(0xFFFF0000));
    return {{_mm256_castsi256_ps(_mm256_slli_epi32(low, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(high, 16))},
            {_mm256_castsi256_ps(_mm256_and_si256(low, odd)), _mm256_castsi256_ps(_mm256_and_si256(high, odd))}};
}

}  // namespace
}  // namespace expertmesh
