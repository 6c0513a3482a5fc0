// Eight pairs of bfloat16 in an AVX2 register. The meaning of each function: pairs_plain.h; of a compact line:
// compact_rows.h.

#pragma once

#include "compact_rows.h"
#include "vector_avx2.h"

namespace expertmesh {
namespace {

constexpr int ROWS_TOGETHER = 3;  // of activations: their sums with two matrix rows leave registers for the factors

using Pairs = __m256i;
using UpperBytes = __m256i;  // the sixteen that names stand for, in each half

struct TwoBlocks {
    Pairs first, second;
};

inline __m256i load_bytes(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

inline Vector add_product(Vector sum, Vector a, Vector b) {
    asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}

inline Vector evens(Pairs pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }

inline Vector odds(Pairs pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xFFFF0000))));
}

inline TwoBlocks stored_blocks(const uint16_t* line, int part) {
    return {load_bytes(line + 16 * part), load_bytes(line + 32 + 16 * part)};
}

inline UpperBytes load_upper_bytes(const uint8_t* bytes) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

inline TwoBlocks interleaved(__m256i lower, __m256i upper) {
    return {_mm256_unpacklo_epi8(lower, upper), _mm256_unpackhi_epi8(lower, upper)};
}

inline TwoBlocks compact_blocks(const uint8_t* line, UpperBytes upper_bytes, int part) {
    const __m256i names = _mm256_srli_epi64(load_bytes(line + LINE_VALUES), 4 * part);
    const __m256i upper = _mm256_shuffle_epi8(upper_bytes, _mm256_and_si256(names, _mm256_set1_epi8(0x0F)));
    return interleaved(load_bytes(line + 32 * part), upper);
}

inline TwoBlocks blocks_with_others(const uint8_t* line, const uint8_t* others, int part) {
    return interleaved(load_bytes(line + 32 * part), load_bytes(others + 32 * part));
}

// Of each: [COUNT] sums of sixteen lanes.
template <int COUNT, int PARTS>
inline void totals(const Vector (&sums)[COUNT][PARTS], float* to) {
    for (int i = 0; i < COUNT; ++i) to[i] = total(sums[i]);
}

}  // namespace
}  // namespace expertmesh
