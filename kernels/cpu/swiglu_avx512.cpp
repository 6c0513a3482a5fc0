// swiglu with AVX-512 F and BW; model of the others: swiglu_body.h.

#include "swiglu.h"
#include "swiglu_body.h"

namespace expertmesh {

void swiglu_avx512(const float* sums, int64_t num_pairs, float limit, float* y) { swiglu(sums, num_pairs, limit, y); }

}  // namespace expertmesh
