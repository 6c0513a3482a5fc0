// round_int8 with AVX2; model of the others: round_int8_body.h.

#include "round_int8_body.h"

namespace expertmesh {

bool round_int8_avx2(const void* x, ScalarType type, int64_t start, int64_t num_blocks, Int8Block* to) {
    return round_int8(x, type, start, num_blocks, to);
}

}  // namespace expertmesh
