// Dense layers with AVX2 and FMA; the body: multiply_dense.h.

#include "pairs_avx2.h"

#include "compact_lines.h"

namespace expertmesh {
namespace {

constexpr int TOGETHER = 3;  // whose sums, with two matrix rows, leave registers for what is multiplied

void multiply_stored(const StoredRows& rows, int64_t num_outs, const float* x, int64_t num_x, float* sums) {
    multiply_dense<TOGETHER>(StoredLines(rows), num_outs, x, num_x, sums);
}

void multiply_compact(const CompactRows& rows, int64_t num_outs, const float* x, int64_t num_x, float* sums) {
    multiply_dense<TOGETHER>(CompactLines(rows), num_outs, x, num_x, sums);
}

}  // namespace

const MultiplyDense<StoredRows, float> STORED_AVX2{multiply_stored, TOGETHER};
const MultiplyDense<CompactRows, float> COMPACT_AVX2{multiply_compact, TOGETHER};

}  // namespace expertmesh
