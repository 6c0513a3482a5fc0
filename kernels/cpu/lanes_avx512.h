// Sixteen lanes in one AVX-512 register. The meaning of each function: lanes_plain.h.

#pragma once

#include <immintrin.h>

#include "lane_order.h"
#include "scale_tables.h"

namespace expertmesh {
namespace {

// Quarter i of a register has what falls to its dwords d = 0 … 3 when all 16 bytes of a block are in each quarter:
// nibble {0, 1, 4, 5}[i] + 2 · s of bytes 4 · d … 4 · d + 3. The same pairs share a lane as elsewhere.
constexpr int INPUT_AT[BLOCK_VALUES] = {
    0, 8, 16, 24, 1, 9, 17, 25, 4, 12, 20, 28, 5, 13, 21, 29,    // step 0
    2, 10, 18, 26, 3, 11, 19, 27, 6, 14, 22, 30, 7, 15, 23, 31,  // step 1
};

constexpr int ROWS_AT_ONCE = 8;

// Matrix rows at a time: enough sums to hide the latency of addition, few enough to leave room to decode.
constexpr int outs_at_once(int rows) { return rows == 2 ? 6 : rows <= 6 ? 4 : 3; }

constexpr int64_t PREFETCH_BYTES = 12288;  // ahead: matrix rows are too short for the processor's own prefetchers
constexpr int64_t BYTES_OF_ROWS_NEAR = 96 * 1024;  // of what the rows' stretch may fill of the second-level cache, which keeps up

using Lanes = __m512;

struct DecodedBlock {
    Lanes first, second;
};

inline Lanes load(const float* from) { return _mm512_loadu_ps(from); }

inline void store(float* to, Lanes lanes) { _mm512_storeu_ps(to, lanes); }

// As an instruction of its own, for the reason that pairs_plain.h gives.
inline Lanes fused(Lanes weight, Lanes x, Lanes sum) {
    asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(weight), "v"(x));
    return sum;
}

// The tree of lanes_plain.h; its lanes l and l + 8, say, stand two dwords apart here.
inline float total(Lanes lanes) {
    const Lanes eight = _mm512_add_ps(lanes, _mm512_permute_ps(lanes, 0x4E));
    const Lanes four = _mm512_add_ps(eight, _mm512_shuffle_f32x4(eight, eight, 0xB1));
    const Lanes two = _mm512_add_ps(four, _mm512_permute_ps(four, 0xB1));
    return _mm512_cvtss_f32(_mm512_add_ps(two, _mm512_shuffle_f32x4(two, two, 0x4E)));
}

// The same tree for all sums at once: each round adds halves of two registers, so that their number halves, and in the
// end lane i has the total of what stood at PLACE[i], and the other way round.
constexpr int PLACE[TOTALS] = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};

inline Lanes all_totals(const Lanes (&sums)[TOTALS]) {
    Lanes eights[8], fours[4], twos[2];
    for (int i = 0; i < 8; ++i) {
        const Lanes a = sums[2 * i], b = sums[2 * i + 1];
        eights[i] = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xEE));
    }
    for (int i = 0; i < 4; ++i) {
        const Lanes a = eights[2 * i], b = eights[2 * i + 1];
        fours[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
    }
    for (int i = 0; i < 2; ++i) {
        const Lanes a = fours[2 * i], b = fours[2 * i + 1];
        twos[i] = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xDD));
    }
    return _mm512_add_ps(_mm512_shuffle_f32x4(twos[0], twos[1], 0x88), _mm512_shuffle_f32x4(twos[0], twos[1], 0xDD));
}

inline void write_totals(const float* lanes, int64_t stride, float* to) {
    Lanes sums[TOTALS];
    for (int i = 0; i < TOTALS; ++i) sums[i] = load(lanes + PLACE[i] * stride);
    store(to, all_totals(sums));
}

// Each quarter's dwords are shifted to the nibble that is theirs (INPUT_AT). A lookup heeds four bits alone.
inline DecodedBlock decode(const uint8_t* bytes, uint8_t scale) {
    const __m512i shifts = _mm512_set_epi32(20, 20, 20, 20, 16, 16, 16, 16, 4, 4, 4, 4, 0, 0, 0, 0);
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    const __m512i nibbles = _mm512_srlv_epi32(_mm512_broadcast_i32x4(packed), shifts);
    const __m512 table = _mm512_load_ps(SCALE_TABLES.value[scale]);
    return {_mm512_permutexvar_ps(nibbles, table),
            _mm512_permutexvar_ps(_mm512_srli_epi32(nibbles, 8), table)};
}

}  // namespace
}  // namespace expertmesh
