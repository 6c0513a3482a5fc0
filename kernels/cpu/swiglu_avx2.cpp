// swiglu with AVX2; model of the others: swiglu_body.h.

#include "swiglu.h"
#include "swiglu_body.h"

namespace expertmesh {

void swiglu_avx2(const float* sums, int64_t num_pairs, float limit, float* y) { swiglu(sums, num_pairs, limit, y); }

}  // namespace expertmesh
