// Fills the tables of scale_tables.h when the library is loaded.

#include "scale_tables.h"

#include <cmath>
#include <limits>

#include "float_bits.h"

namespace expertmesh {
namespace {

constexpr float MAGNITUDES[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
constexpr int NAN_SCALE = 255;

float value_of(int scale, int nibble) {
    if (scale == NAN_SCALE) return std::numeric_limits<float>::quiet_NaN();
    const float magnitude = std::ldexp(MAGNITUDES[nibble & 7], scale - 127);
    return nibble & 8 ? -magnitude : magnitude;
}

ScaleTables make_tables() {
    ScaleTables tables;
    for (int scale = 0; scale < 256; ++scale) {
        for (int nibble = 0; nibble < 16; ++nibble) {
            const float value = value_of(scale, nibble);
            const uint32_t bits = bits_of(value);
            tables.value[scale][nibble] = value;
            tables.byte[scale][0][nibble] = static_cast<uint8_t>(bits >> 24);
            tables.byte[scale][1][nibble] = static_cast<uint8_t>(bits >> 16);
        }
    }
    return tables;
}

}  // namespace

const ScaleTables SCALE_TABLES = make_tables();

}  // namespace expertmesh
