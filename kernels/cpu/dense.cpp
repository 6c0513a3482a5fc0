// y = x Wᵀ + b with W in bfloat16: tiles of W over threads. Who computes a tile does not show in its bits.

#include <algorithm>

#include "dense_tile.h"
#include "grouped_matmul.h"
#include "paired_rows.h"
#include "tile_runs.h"

namespace expertmesh {
namespace {

constexpr int64_t WORTH_A_THREAD = int64_t{1} << 17;  // multiplications; about ten microseconds
constexpr int64_t ROWS_WORTH_THREADS = 16;            // to bring into order: some microseconds each

// The layout is the contract with kernels/cpu/dense_kernels.py, which fills it in.
struct DenseMatmul {
    int64_t num_rows, width, num_outs;
    const void* x;            // [num_rows, width], type
    const uint16_t* weights;  // [num_outs, width] bfloat16
    const void* bias;         // [num_outs], bias_type, or null
    void* result;             // [num_rows, num_outs], type
    ScalarType type, bias_type;
    InstructionSet instructions;
    int32_t num_threads;
};

MultiplyDense multiply_dense_of(InstructionSet instructions) {
#if defined(__x86_64__)
    if (instructions == InstructionSet::avx512) return multiply_dense_avx512;
    if (instructions == InstructionSet::avx2) return multiply_dense_avx2;
#endif
    (void)instructions;
    return multiply_dense_plain;
}

// Every row against one tile.
void run_tile(const DenseMatmul& work, const PairedRows& x, MultiplyDense multiply, int64_t first_out) {
    const int64_t num_outs = std::min(DENSE_TILE_OUTS, work.num_outs - first_out);
    const DenseTile tile{work.weights + first_out * work.width, num_outs, work.width};
    float bias[DENSE_TILE_OUTS] = {};
    for (int64_t out = 0; work.bias != nullptr && out < num_outs; ++out) {
        bias[out] = read_scalar(work.bias, work.bias_type, first_out + out);
    }
    for (int64_t first_row = 0; first_row < work.num_rows; first_row += DENSE_PASS_ROWS) {
        const int64_t num_rows = std::min(DENSE_PASS_ROWS, work.num_rows - first_row);
        const float* rows[DENSE_PASS_ROWS] = {};
        float sums[DENSE_PASS_ROWS * DENSE_TILE_OUTS];
        for (int64_t row = 0; row < num_rows; ++row) rows[row] = x.row(first_row + row);
        multiply(tile, rows, num_rows, sums);
        for (int64_t row = 0; row < num_rows; ++row) {
            const int64_t start = (first_row + row) * work.num_outs + first_out;
            for (int64_t out = 0; out < num_outs; ++out) {
                write_scalar(work.result, work.type, start + out, sums[row * DENSE_TILE_OUTS + out] + bias[out]);
            }
        }
    }
}

int useful_threads(const DenseMatmul& work) {
    const int64_t size = work.num_rows * work.num_outs * work.width;
    return static_cast<int>(std::clamp<int64_t>(size / WORTH_A_THREAD, 1, work.num_threads));
}

}  // namespace
}  // namespace expertmesh

extern "C" __attribute__((visibility("default"))) expertmesh::Status expertmesh_dense(
    const expertmesh::DenseMatmul* work) {
    using namespace expertmesh;
    PairedRows x(work->x, work->type, work->num_rows, work->width);
    if (!x.has_memory()) return Status::out_of_memory;
    const MultiplyDense multiply = multiply_dense_of(work->instructions);
    const int num_threads = useful_threads(*work);
    const int64_t num_tiles = (work->num_outs + DENSE_TILE_OUTS - 1) / DENSE_TILE_OUTS;
#pragma omp parallel for num_threads(num_threads) if (work->num_rows >= ROWS_WORTH_THREADS)
    for (int64_t row = 0; row < work->num_rows; ++row) x.bring(row);
    const int64_t in_a_run = tiles_in_a_run(num_tiles, num_threads);
#pragma omp parallel for num_threads(num_threads) schedule(dynamic, in_a_run)
    for (int64_t tile = 0; tile < num_tiles; ++tile) run_tile(*work, x, multiply, tile * DENSE_TILE_OUTS);
    return Status::done;
}
