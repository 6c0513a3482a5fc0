// Dot products of int8 in portable C++: the meaning of what AVX2 and AVX-512 do in their registers.

#pragma once

#include "int8_tile.h"
#include "lane_order.h"
#include "scale_tables.h"

namespace expertmesh {
namespace {

constexpr int WIDTH = 1;  // matrix rows at a time
constexpr int ROWS_AT_ONCE = 4;
constexpr int TWICE_E2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

struct Floats {
    float lane[WIDTH];
};

struct Ints {
    int32_t lane[WIDTH];
};

// A block of each matrix row; its values lie as VALUE_AT says.
struct Quads {
    int8_t value[WIDTH][BLOCK_VALUES];
};

inline Floats zero() { return {}; }

inline void store(float* to, const Floats& floats) {
    for (int i = 0; i < WIDTH; ++i) to[i] = floats.lane[i];
}

// From WIDTH rows of bytes to a group of WIDTH for each of their first `count` columns.
inline void turn(const uint8_t* rows, int64_t stride, int64_t count, uint8_t* to) {
    for (int64_t column = 0; column < count; ++column) {
        for (int i = 0; i < WIDTH; ++i) to[column * WIDTH + i] = rows[i * stride + column];
    }
}

inline Quads decode(const uint8_t* rows, int64_t stride) {
    Quads quads;
    for (int i = 0; i < WIDTH; ++i) {
        for (int at = 0; at < BLOCK_BYTES; ++at) {
            const uint8_t byte = rows[i * stride + at];
            const int position = 8 * (at / 4) + at % 4;
            quads.value[i][position] = static_cast<int8_t>(TWICE_E2M1[byte & 15]);
            quads.value[i][position + 4] = static_cast<int8_t>(TWICE_E2M1[byte >> 4]);
        }
    }
    return quads;
}

inline Floats to_scales(const uint8_t* bytes) {
    Floats scales;
    for (int i = 0; i < WIDTH; ++i) scales.lane[i] = SCALE_TABLES.value[bytes[i]][2];  // of 1.0
    return scales;
}

// The weights are signed here, so that nothing is to be made good for.
inline Ints dot(int32_t, const Quads& quads, const int8_t* x) {
    Ints dots = {};
    for (int i = 0; i < WIDTH; ++i) {
        for (int at = 0; at < BLOCK_VALUES; ++at) dots.lane[i] += quads.value[i][at] * x[at];
    }
    return dots;
}

inline Floats add_scaled(const Ints& dots, const Floats& weight_scales, float scale, Floats sums) {
    for (int i = 0; i < WIDTH; ++i) {
        sums.lane[i] += static_cast<float>(dots.lane[i]) * (weight_scales.lane[i] * scale);
    }
    return sums;
}

}  // namespace
}  // namespace expertmesh
