// Spreads tiles of the visited experts' matrices over threads. Who computes a tile does not show in its bits.

#include "grouped_matmul.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "index_range.h"
#include "lane_order.h"
#include "rows.h"
#include "tile_runs.h"
#include "useful_threads.h"

namespace expertmesh {
namespace {

constexpr int64_t ROWS_WORTH_THREADS = 64;  // to prepare: some microseconds each

struct TileTask {
    int64_t expert, first_out;
};

bool indices_are_in_range(const GroupedMatmul& work) {
    const int64_t count = work.num_assignments;
    return work.offsets[0] == 0 && work.offsets[work.num_experts] == count &&
           std::is_sorted(work.offsets, work.offsets + work.num_experts + 1) &&
           all_below(work.order, count, count) &&
           (work.rows == nullptr ? count <= work.num_rows : all_below(work.rows, count, work.num_rows));
}

std::vector<TileTask> tasks_of(const GroupedMatmul& work) {
    std::vector<TileTask> tasks;
    for (int64_t expert = 0; expert < work.num_experts; ++expert) {
        if (work.offsets[expert] == work.offsets[expert + 1]) continue;
        for (int64_t out = 0; out < work.num_outs; out += MAX_TILE_OUTS) tasks.push_back({expert, out});
    }
    return tasks;
}

// Every place of an expert's group against one tile of its matrix.
class TileWork {
   public:
    TileWork(const GroupedMatmul& work, const Epilogue& epilogue, const Rows& x)
        : work_(work), epilogue_(epilogue), x_(x) {}

    void run(TileTask task) const {
        const int64_t first = task.expert * work_.num_outs + task.first_out;  // matrix row among all experts'
        const int64_t num_outs = std::min(MAX_TILE_OUTS, work_.num_outs - task.first_out);
        const PackedTile tile{work_.blocks + first * work_.num_blocks * BLOCK_BYTES,
                              work_.scales + first * work_.num_blocks, num_outs, work_.num_blocks};
        float bias[MAX_TILE_OUTS];
        for (int64_t out = 0; out < num_outs; ++out) bias[out] = read_scalar(work_.bias, work_.bias_type, first + out);
        const int64_t past = work_.offsets[task.expert + 1];
        for (int64_t place = work_.offsets[task.expert]; place < past; place += MAX_PASS_ROWS) {
            run_pass(tile, bias, task.first_out, place, std::min(MAX_PASS_ROWS, past - place));
        }
    }

   private:
    void run_pass(const PackedTile& tile, const float* bias, int64_t first_out, int64_t place, int64_t num_rows) const {
        float sums[MAX_PASS_ROWS * MAX_TILE_OUTS];  // [num_rows, MAX_TILE_OUTS]
        int64_t rows[MAX_PASS_ROWS];
        for (int64_t row = 0; row < num_rows; ++row) {
            rows[row] = work_.rows == nullptr ? place + row : work_.rows[work_.order[place + row]];
            const ResultPart part = epilogue_.result_of(work_, place + row, first_out, tile.num_outs);
            will_write_scalars(work_.result, work_.type, part.start, part.count);
        }
        x_.multiply(tile, rows, num_rows, sums);
        add_biases(bias, num_rows, tile.num_outs, sums);
        epilogue_.write(work_, {sums, place, num_rows, first_out, tile.num_outs});
    }

    // The sums move together, to [num_rows, num_outs].
    static void add_biases(const float* bias, int64_t num_rows, int64_t num_outs, float* sums) {
        for (int64_t row = 0; row < num_rows; ++row) {
            const float* from = sums + row * MAX_TILE_OUTS;
            float* to = sums + row * num_outs;
            for (int64_t out = 0; out < num_outs; ++out) to[out] = from[out] + bias[out];
        }
    }

    const GroupedMatmul& work_;
    const Epilogue& epilogue_;
    const Rows& x_;
};

}  // namespace

bool can_run(InstructionSet instructions) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (instructions == InstructionSet::avx512) return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    if (instructions == InstructionSet::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return instructions == InstructionSet::plain;
}

Status run(const GroupedMatmul& work, const Epilogue& epilogue) {
    if (!indices_are_in_range(work)) return Status::index_out_of_range;
    const std::vector<TileTask> tasks = tasks_of(work);
    const std::unique_ptr<Rows> x = make_rows(work);
    if (!x->has_memory()) return Status::out_of_memory;
    const TileWork tile_work(work, epilogue, *x);
    const int64_t num_multiplications = work.num_assignments * work.num_outs * work.num_blocks * BLOCK_VALUES;
    const int num_threads = useful_threads(num_multiplications, MULTIPLICATIONS_OF_A_THREAD, work.num_threads);
#pragma omp parallel for num_threads(num_threads) if (work.num_rows >= ROWS_WORTH_THREADS)
    for (int64_t row = 0; row < work.num_rows; ++row) x->prepare(row);
    for_tiles(static_cast<int64_t>(tasks.size()), num_threads, [&](int64_t task) { tile_work.run(tasks[task]); });
    return Status::done;
}

}  // namespace expertmesh
