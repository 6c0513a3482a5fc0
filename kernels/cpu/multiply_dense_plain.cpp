// multiply_dense with no instructions beyond the common ones; model of the others: multiply_dense.h.

#include "vector_plain.h"

#include "multiply_dense.h"

namespace expertmesh {

void multiply_dense_plain(const DenseTile& tile, const float* const* rows, int64_t num_rows, float* sums) {
    multiply_dense(tile, rows, num_rows, sums);
}

}  // namespace expertmesh
