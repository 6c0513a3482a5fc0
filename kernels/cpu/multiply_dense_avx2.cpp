// multiply_dense with AVX2 and FMA; model of the others: multiply_dense.h.

#include "vector_avx2.h"

#include "multiply_dense.h"

namespace expertmesh {

void multiply_dense_avx2(const DenseTile& tile, const float* const* rows, int64_t num_rows, float* sums) {
    multiply_dense(tile, rows, num_rows, sums);
}

}  // namespace expertmesh
