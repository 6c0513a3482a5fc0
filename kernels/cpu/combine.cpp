// The sum of every token's expert rows, slot by slot, wherever each row lies: what kernels/combine.py calls.

#include <algorithm>
#include <vector>

#include "combine_rows.h"
#include "instruction_set.h"
#include "useful_threads.h"

namespace expertmesh {
namespace {

constexpr int64_t PIECE = 512;  // sums that stay in the first-level cache

template <ScalarType type>
void combine(const RowSums& work, int64_t token) {
    float sums[PIECE];
    const void* const* rows = work.rows + token * work.top_k;
    for (int64_t start = 0; start < work.hidden; start += PIECE) {
        const int64_t count = std::min(PIECE, work.hidden - start), out = token * work.hidden + start;
        for (int64_t i = 0; i < count; ++i) sums[i] = read_scalar(rows[0], type, start + i);
        for (int64_t slot = 1; slot < work.top_k; ++slot) {
            for (int64_t i = 0; i < count; ++i) sums[i] += read_scalar(rows[slot], type, start + i);
        }
        for (int64_t i = 0; i < count; ++i) write_scalar(work.result, type, out + i, sums[i]);
    }
}

}  // namespace

void combine_plain(const RowSums& work, int64_t token) {
    if (work.type == ScalarType::float32) {
        combine<ScalarType::float32>(work, token);
    } else {
        combine<ScalarType::bfloat16>(work, token);
    }
}

}  // namespace expertmesh

// Row after row of each piece, as `places` says, which is token · top_k + slot; null: they stand in that order.
// result: [num_tokens, hidden].
extern "C" __attribute__((visibility("default"))) void expertmesh_combine(
    int64_t num_pieces, const char* const* pieces, const int64_t* piece_rows, const int64_t* places,
    int64_t num_tokens, int64_t top_k, int64_t hidden, expertmesh::ScalarType type,
    expertmesh::InstructionSet instructions, int32_t num_threads, void* result) {
    using namespace expertmesh;
    std::vector<const void*> rows(num_tokens * top_k);
    const int64_t row_bytes = hidden * (type == ScalarType::float32 ? 4 : 2);
    int64_t number = 0;
    for (int64_t piece = 0; piece < num_pieces; ++piece) {
        for (int64_t row = 0; row < piece_rows[piece]; ++row, ++number) {
            rows[places == nullptr ? number : places[number]] = pieces[piece] + row * row_bytes;
        }
    }
    const RowSums work{rows.data(), top_k, hidden, type, result};
    const auto combine_token = FORM_OF(instructions, combine_plain, combine_plain, combine_avx512);
    const int num_useful = useful_threads(num_tokens * top_k * hidden, VALUES_OF_A_THREAD, num_threads);
#pragma omp parallel for num_threads(num_useful)
    for (int64_t token = 0; token < num_tokens; ++token) combine_token(work, token);
}
