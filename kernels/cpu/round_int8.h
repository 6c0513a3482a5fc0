// A row of activations to int8: what each instruction set has a form of, all with the same bits.

#pragma once

#include "int8_tile.h"
#include "scalar_type.h"

namespace expertmesh {

// The `num_blocks` blocks of 32 values from `start` on -> whether all their scales are moderate.
using RoundInt8 = bool (*)(const void* x, ScalarType type, int64_t start, int64_t num_blocks, Int8Block* to);

bool round_int8_plain(const void* x, ScalarType type, int64_t start, int64_t num_blocks, Int8Block* to);
bool round_int8_avx2(const void* x, ScalarType type, int64_t start, int64_t num_blocks, Int8Block* to);
bool round_int8_avx512(const void* x, ScalarType type, int64_t start, int64_t num_blocks, Int8Block* to);

}  // namespace expertmesh
