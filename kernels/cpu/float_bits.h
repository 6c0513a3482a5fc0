// Floats as the integers that their bits are.

#pragma once

#include <cstdint>
#include <cstring>

namespace expertmesh {

// Of each file alone, for the reason that scalar_type.h gives.
namespace {

inline uint32_t bits_of(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_of(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace
}  // namespace expertmesh
