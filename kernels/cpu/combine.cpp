// The sum of every token's expert rows, slot by slot, wherever each row lies: what kernels/combine.py calls.

#include <algorithm>
#include <cstdint>

#include "scalar_type.h"

namespace expertmesh {
namespace {

constexpr int64_t PIECE = 512;  // sums that stay in the first-level cache

template <ScalarType type>
void combine(const void* const* rows, int64_t num_tokens, int64_t top_k, int64_t hidden, void* result) {
    float sums[PIECE];
    for (int64_t token = 0; token < num_tokens; ++token, rows += top_k) {
        for (int64_t start = 0; start < hidden; start += PIECE) {
            const int64_t count = std::min(PIECE, hidden - start);
            for (int64_t i = 0; i < count; ++i) sums[i] = read_scalar(rows[0], type, start + i);
            for (int64_t slot = 1; slot < top_k; ++slot) {
                for (int64_t i = 0; i < count; ++i) sums[i] += read_scalar(rows[slot], type, start + i);
            }
            for (int64_t i = 0; i < count; ++i) write_scalar(result, type, token * hidden + start + i, sums[i]);
        }
    }
}

}  // namespace
}  // namespace expertmesh

// rows: [num_tokens, top_k] addresses of [hidden] values each; result: [num_tokens, hidden].
extern "C" __attribute__((visibility("default"))) void expertmesh_combine(
    const void* const* rows, int64_t num_tokens, int64_t top_k, int64_t hidden, expertmesh::ScalarType type,
    void* result) {
    if (type == expertmesh::ScalarType::float32) {
        expertmesh::combine<expertmesh::ScalarType::float32>(rows, num_tokens, top_k, hidden, result);
    } else {
        expertmesh::combine<expertmesh::ScalarType::bfloat16>(rows, num_tokens, top_k, hidden, result);
    }
}
