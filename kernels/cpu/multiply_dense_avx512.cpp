// Dense layers with AVX-512 F and BW; the body: multiply_dense.h.

#include "pairs_avx512.h"

#include "compact_lines.h"

namespace expertmesh {
namespace {

constexpr int TOGETHER = 8;  // whose sums, with two matrix rows, leave registers for what is multiplied

void multiply_stored(const StoredRows& rows, int64_t num_outs, const float* x, int64_t num_x, float* sums) {
    multiply_dense<TOGETHER>(StoredLines(rows), num_outs, x, num_x, sums);
}

void multiply_compact(const CompactRows& rows, int64_t num_outs, const float* x, int64_t num_x, float* sums) {
    multiply_dense<TOGETHER>(CompactLines(rows), num_outs, x, num_x, sums);
}

}  // namespace

const MultiplyDense<StoredRows, float> STORED_AVX512{multiply_stored, TOGETHER};
const MultiplyDense<CompactRows, float> COMPACT_AVX512{multiply_compact, TOGETHER};

}  // namespace expertmesh
