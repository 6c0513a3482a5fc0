// What a nibble means under each scale byte: E2M1 · 2^(scale − 127), as kernels/mxfp4.py defines it.
//
// Every such value is exact in bfloat16 (two significant bits; subnormals and infinity too), so its float32 is
// its two upper bytes, and a decoder needs no multiplication: it looks up one byte or two, or the float.

#pragma once

#include <cstdint>

namespace expertmesh {

struct ScaleTables {
    alignas(64) float value[256][16];     // [scale][nibble]
    alignas(64) uint8_t byte[256][2][16];  // [scale][bits 31 … 24 or bits 23 … 16 of the value][nibble]
};

extern const ScaleTables SCALE_TABLES;

}  // namespace expertmesh
