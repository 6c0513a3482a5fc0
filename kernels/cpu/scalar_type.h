// The two types of activations and biases: float32 and bfloat16. All arithmetic is in float32.

#pragma once

#include <cstdint>
#include <cstring>

#include "float_bits.h"

namespace expertmesh {

enum class ScalarType : int32_t { float32 = 0, bfloat16 = 1 };

// Of each file alone: what another instruction set made of them must not be linked into its place.
namespace {

inline float read_scalar(const void* tensor, ScalarType type, int64_t index) {
    if (type == ScalarType::float32) return static_cast<const float*>(tensor)[index];
    return float_of(static_cast<uint32_t>(static_cast<const uint16_t*>(tensor)[index]) << 16);
}

// `count` values from `start` on.
inline void read_scalars(const void* tensor, ScalarType type, int64_t start, int64_t count, float* values) {
    if (type == ScalarType::float32) {
        std::memcpy(values, static_cast<const float*>(tensor) + start, count * sizeof(float));
    } else {
        for (int64_t i = 0; i < count; ++i) values[i] = read_scalar(tensor, type, start + i);
    }
}

// To the nearest, ties to even, as torch rounds.
inline uint16_t to_bfloat16(float value) {
    if (value != value) return 0x7FC0;
    const uint32_t bits = bits_of(value);
    return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

inline void write_scalar(void* tensor, ScalarType type, int64_t index, float value) {
    if (type == ScalarType::float32) {
        static_cast<float*>(tensor)[index] = value;
    } else {
        static_cast<uint16_t*>(tensor)[index] = to_bfloat16(value);
    }
}

inline void write_scalars(void* tensor, ScalarType type, int64_t start, const float* values, int64_t count) {
    if (type == ScalarType::float32) {
        std::memcpy(static_cast<float*>(tensor) + start, values, count * sizeof(float));
    } else {
        auto* to = static_cast<uint16_t*>(tensor) + start;
        for (int64_t i = 0; i < count; ++i) to[i] = to_bfloat16(values[i]);
    }
}

// Asks memory for where `count` values from `start` on will be written, so that the stores need not wait for it.
inline void will_write_scalars(const void* tensor, ScalarType type, int64_t start, int64_t count) {
    constexpr int64_t LINE = 64;
    const int64_t size = type == ScalarType::float32 ? 4 : 2;
    const char *from = static_cast<const char*>(tensor) + start * size, *past = from + count * size;
    const char* line = from - reinterpret_cast<uintptr_t>(from) % LINE;
    for (; line < past; line += LINE) __builtin_prefetch(line, 1);
}

}  // namespace
}  // namespace expertmesh
