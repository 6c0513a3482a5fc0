// Dense layers with no instructions beyond the common ones; the body: multiply_dense.h.

#include "pairs_plain.h"

#include "multiply_dense.h"

namespace expertmesh {

const MultiplyDense<StoredRows, float> STORED_PLAIN{multiply_dense<StoredLines>, ROWS_TOGETHER};

}  // namespace expertmesh
