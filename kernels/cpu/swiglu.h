// The clamped SwiGLU of kernels/moe_gate_up.py over gate and up in turns: the same bits on every instruction set.

#pragma once

#include <cstdint>

namespace expertmesh {

// sums: [num_pairs, 2], gate then up -> y [num_pairs].
using Swiglu = void (*)(const float* sums, int64_t num_pairs, float limit, float* y);

void swiglu_plain(const float*, int64_t, float, float*);
void swiglu_avx2(const float*, int64_t, float, float*);
void swiglu_avx512(const float*, int64_t, float, float*);

}  // namespace expertmesh
