// Dense layers with no instructions beyond the common ones; the body: multiply_dense.h.

#include "pairs_plain.h"

#include "multiply_dense.h"

namespace expertmesh {
namespace {

constexpr int TOGETHER = 3;  // whose sums, with two matrix rows, leave registers for what is multiplied

void multiply_stored(const StoredRows& rows, int64_t num_outs, const float* x, int64_t num_x, float* sums) {
    multiply_dense<TOGETHER>(StoredLines(rows), num_outs, x, num_x, sums);
}

}  // namespace

const MultiplyDense<StoredRows, float> STORED_PLAIN{multiply_stored, TOGETHER};

}  // namespace expertmesh
