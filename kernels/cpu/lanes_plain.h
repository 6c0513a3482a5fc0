// Sixteen lanes in portable C++: the meaning of what AVX2 and AVX-512 do in their registers.

#pragma once

#include "lane_order.h"
#include "scale_tables.h"

namespace expertmesh {
namespace {

// The input of a block that stands at each position of an arranged block: position 16 · s + l is lane l's, step s.
constexpr int INPUT_AT[BLOCK_VALUES] = {
    0, 4, 8, 12, 1, 5, 9, 13, 16, 20, 24, 28, 17, 21, 25, 29,    // step 0
    2, 6, 10, 14, 3, 7, 11, 15, 18, 22, 26, 30, 19, 23, 27, 31,  // step 1
};

constexpr int ROWS_AT_ONCE = 4;

constexpr int outs_at_once(int) { return 1; }

constexpr int64_t PREFETCH_BYTES = 4096;  // ahead: matrix rows are too short for the processor's own prefetchers
constexpr int64_t BYTES_OF_ROWS_NEAR = 24 * 1024;  // of what the rows' stretch may fill of the first-level cache

struct Lanes {
    float lane[LANES];
};

// The 32 weights of a block, as the two steps take them.
struct DecodedBlock {
    Lanes first, second;
};

inline Lanes load(const float* from) {
    Lanes lanes;
    for (int l = 0; l < LANES; ++l) lanes.lane[l] = from[l];
    return lanes;
}

inline void store(float* to, Lanes lanes) {
    for (int l = 0; l < LANES; ++l) to[l] = lanes.lane[l];
}

// One rounding where the processor has it (arm64), the very bits of AVX2; two where it would be a slow call.
inline Lanes fused(Lanes weight, Lanes x, Lanes sum) {
    for (int l = 0; l < LANES; ++l) {
#ifdef __FP_FAST_FMAF
        sum.lane[l] = __builtin_fmaf(weight.lane[l], x.lane[l], sum.lane[l]);
#else
        sum.lane[l] += weight.lane[l] * x.lane[l];
#endif
    }
    return sum;
}

// Halves onto halves: 16, 8, 4, 2, 1.
inline float total(Lanes lanes) {
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) lanes.lane[l] += lanes.lane[l + half];
    }
    return lanes.lane[0];
}

// Of TOTALS sums, the next of which is `stride` floats behind.
inline void write_totals(const float* lanes, int64_t stride, float* to) {
    for (int i = 0; i < TOTALS; ++i) to[i] = total(load(lanes + i * stride));
}

inline DecodedBlock decode(const uint8_t* bytes, uint8_t scale) {
    const float* table = SCALE_TABLES.value[scale];
    float values[BLOCK_VALUES];
    for (int half = 0; half < 2; ++half) {
        for (int pair = 0; pair < 4; ++pair) {
            const uint8_t* two = bytes + 8 * half + 2 * pair;
            float* to = values + 8 * half + pair;
            to[0] = table[two[0] & 15];
            to[4] = table[two[0] >> 4];
            to[LANES] = table[two[1] & 15];
            to[LANES + 4] = table[two[1] >> 4];
        }
    }
    return {load(values), load(values + LANES)};
}

}  // namespace
}  // namespace expertmesh
