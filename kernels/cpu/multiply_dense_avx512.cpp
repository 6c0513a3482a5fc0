// Dense layers with AVX-512 F and BW; the body: multiply_dense.h.

#include "pairs_avx512.h"

#include "compact_lines.h"

namespace expertmesh {

const MultiplyDense<StoredRows, float> STORED_AVX512{multiply_dense<StoredLines>, ROWS_TOGETHER};
const MultiplyDense<CompactRows, float> COMPACT_AVX512{multiply_dense<CompactLines>, ROWS_TOGETHER};

}  // namespace expertmesh
