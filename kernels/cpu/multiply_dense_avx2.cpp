// Dense layers with AVX2 and FMA; the body: multiply_dense.h.

#include "pairs_avx2.h"

#include "compact_lines.h"

namespace expertmesh {

const MultiplyDense<StoredRows, float> STORED_AVX2{multiply_dense<StoredLines>, ROWS_TOGETHER};
const MultiplyDense<CompactRows, float> COMPACT_AVX2{multiply_dense<CompactLines>, ROWS_TOGETHER};

}  // namespace expertmesh
