// Sixteen rows of sixteen bytes to sixteen columns, with what every x86-64 has.

#pragma once

#include <emmintrin.h>

#include <cstdint>

namespace expertmesh {
namespace {

// Each round interleaves the halves; the fourth has every byte in its place.
inline void turn_bytes(__m128i (&rows)[16]) {
    for (int round = 0; round < 4; ++round) {
        __m128i next[16];
        for (int i = 0; i < 8; ++i) {
            next[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + 8]);
            next[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + 8]);
        }
        for (int i = 0; i < 16; ++i) rows[i] = next[i];
    }
}

// `count` bytes, 16 at most, and zeros.
inline __m128i load_bytes(const uint8_t* from, int64_t count) {
    if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    alignas(16) uint8_t bytes[16] = {};
    for (int64_t i = 0; i < count; ++i) bytes[i] = from[i];
    return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

}  // namespace
}  // namespace expertmesh
