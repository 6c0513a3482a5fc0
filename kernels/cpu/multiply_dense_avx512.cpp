// multiply_dense with AVX-512 F and BW; model of the others: multiply_dense.h.

#include "vector_avx512.h"

#include "multiply_dense.h"

namespace expertmesh {

void multiply_dense_avx512(const DenseTile& tile, const float* const* rows, int64_t num_rows, float* sums) {
    multiply_dense(tile, rows, num_rows, sums);
}

}  // namespace expertmesh
