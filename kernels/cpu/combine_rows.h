// Sums of rows, slot by slot: what each instruction set has a form of, all with the same bits.

#pragma once

#include "scalar_type.h"

namespace expertmesh {

struct RowSums {
    const void* const* rows;  // [num_tokens, top_k] addresses of [hidden] values each
    int64_t top_k, hidden;
    ScalarType type;
    void* result;  // [num_tokens, hidden]
};

// One token's.
void combine_plain(const RowSums& work, int64_t token);
void combine_avx512(const RowSums& work, int64_t token);

}  // namespace expertmesh
