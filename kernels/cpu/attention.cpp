// Spreads tiles of queries over threads and, where there are few, the parts of the sequences they look at.
//
// Parts are joined in their order either way, so who computes what does not show in the bits.

#include "attention.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "attention_tile.h"
#include "index_range.h"
#include "instruction_set.h"
#include "useful_threads.h"

namespace expertmesh {
namespace {

constexpr int64_t TILES_A_THREAD = 4;  // with fewer, parts are spread too

// Queries of one KV head: `num_queries` of a sequence, from `first_query` of its chunk on.
struct TileTask {
    int64_t sequence, kv_head, first_query, num_queries;
    int64_t first_position, past_position;  // that one of them sees
    int64_t first_slot;                     // of its parts, when they are spread

    int64_t first_part() const { return first_position / ATTENTION_PART; }
    int64_t past_part() const { return (past_position - 1) / ATTENTION_PART + 1; }
};

struct PartTask {
    int64_t tile, part;
};

AttentionStatus check_pages(const Attention& work) {
    for (int64_t sequence = 0; sequence < work.num_sequences; ++sequence) {
        const int64_t num_queries = work.starts[sequence + 1] - work.starts[sequence];
        if (num_queries == 0) continue;
        const int64_t first = work.first_positions[sequence], last = first + num_queries - 1;
        const int64_t kept = work.first_page[sequence];
        const int64_t first_entry = work.first_seen(first) / work.page_size - kept;
        const int64_t last_entry = last / work.page_size - kept;
        if (first_entry < 0) return AttentionStatus::page_released;
        if (last_entry >= work.table_width) return AttentionStatus::page_not_there;
        const int64_t* first_page = work.pages + sequence * work.table_width + first_entry;
        const int64_t num_seen = last_entry - first_entry + 1;
        if (!all_below(first_page, num_seen, work.num_pages)) return AttentionStatus::page_not_there;
    }
    return AttentionStatus::done;
}

std::vector<TileTask> tiles_of(const Attention& work) {
    std::vector<TileTask> tiles;
    const int64_t most_queries = ATTENTION_ROWS / work.group();
    for (int64_t sequence = 0; sequence < work.num_sequences; ++sequence) {
        const int64_t num_queries = work.starts[sequence + 1] - work.starts[sequence];
        for (int64_t query = 0; query < num_queries; query += most_queries) {
            const int64_t count = std::min(most_queries, num_queries - query);
            const int64_t position = work.first_positions[sequence] + query;
            for (int64_t kv_head = 0; kv_head < work.num_kv_heads; ++kv_head) {
                tiles.push_back({sequence, kv_head, query, count, work.first_seen(position), position + count, 0});
            }
        }
    }
    return tiles;
}

// Floats of the threads and of the slots, on cache lines of their own.
class Room {
   public:
    explicit Room(int64_t num_floats)
        : floats_(static_cast<float*>(std::aligned_alloc(64, (num_floats * 4 + 63) / 64 * 64 + 64))) {}

    bool is_there() const { return floats_ != nullptr; }

    float* at(int64_t index) const { return floats_.get() + index; }

   private:
    struct Free {
        void operator()(float* floats) const { std::free(floats); }
    };

    std::unique_ptr<float[], Free> floats_;
};

AttentionSums sums_at(float* from, int64_t num_rows) { return {from, from + num_rows, from + 2 * num_rows}; }

class AttentionRun {
   public:
    explicit AttentionRun(const Attention& work)
        : work_(work),
          functions_(*FORM_OF(work.instructions, &ATTENTION_PLAIN, &ATTENTION_AVX2, &ATTENTION_AVX512)),
          tiles_(tiles_of(work)),
          sums_size_((2 + work.head_dim) * ATTENTION_ROWS),
          thread_size_((work.head_dim + ATTENTION_PART) * ATTENTION_ROWS + 2 * sums_size_ +
                       2 * ATTENTION_PART * work.head_dim) {
        num_threads_ = threads_for_tiles();
        const auto num_tiles = static_cast<int64_t>(tiles_.size());
        if (num_threads_ > 1 && num_tiles < TILES_A_THREAD * num_threads_) spread_parts();
        room_ = std::make_unique<Room>(num_threads_ * thread_size_ + static_cast<int64_t>(parts_.size()) * sums_size_);
    }

    bool has_memory() const { return room_->is_there(); }

    void run() {
        const auto num_tiles = static_cast<int64_t>(tiles_.size()), num_parts = static_cast<int64_t>(parts_.size());
#pragma omp parallel num_threads(num_threads_)
        {
            Scratch scratch(room_->at(omp_get_thread_num() * thread_size_), work_.head_dim, sums_size_);
#pragma omp for schedule(dynamic)
            for (int64_t part = 0; part < num_parts; ++part) run_part(parts_[part], scratch);
#pragma omp for schedule(dynamic)
            for (int64_t tile = 0; tile < num_tiles; ++tile) run_tile(tiles_[tile], scratch);
        }
    }

   private:
    // One thread's.
    struct Scratch {
        float *queries, *weights, *sums, *next, *keys, *values;
        SeenPositions seen;

        Scratch(float* from, int64_t head_dim, int64_t sums_size)
            : queries(from), weights(queries + head_dim * ATTENTION_ROWS), sums(weights + ATTENTION_PART * ATTENTION_ROWS),
              next(sums + sums_size), keys(next + sums_size), values(keys + ATTENTION_PART * head_dim) {}
    };

    int threads_for_tiles() const {
        int64_t size = 0;
        for (const TileTask& tile : tiles_) {
            size += 2 * num_rows(tile) * (tile.past_position - tile.first_position) * work_.head_dim;
        }
        return useful_threads(size, MULTIPLICATIONS_OF_A_THREAD, work_.num_threads);
    }

    void spread_parts() {
        for (int64_t index = 0; index < static_cast<int64_t>(tiles_.size()); ++index) {
            TileTask& tile = tiles_[index];
            tile.first_slot = static_cast<int64_t>(parts_.size());
            for (int64_t part = tile.first_part(); part < tile.past_part(); ++part) parts_.push_back({index, part});
        }
    }

    int64_t num_rows(const TileTask& task) const {
        const int64_t rows = task.num_queries * work_.group();
        return (rows + functions_.width - 1) / functions_.width * functions_.width;
    }

    float* slot(int64_t index) const { return room_->at(num_threads_ * thread_size_ + index * sums_size_); }

    void run_part(const PartTask& task, Scratch& scratch) const {
        const TileTask& of = tiles_[task.tile];
        const AttentionTile tile = read_tile(of, scratch);
        const int64_t slot_index = of.first_slot + task.part - of.first_part();
        attend(of, tile, task.part, scratch, sums_at(slot(slot_index), tile.num_rows));
    }

    void run_tile(const TileTask& task, Scratch& scratch) const {
        const AttentionTile tile = read_tile(task, scratch);
        const AttentionSums sums = sums_at(scratch.sums, tile.num_rows);
        begin_with_sinks(task, tile, sums);
        for (int64_t part = task.first_part(); part < task.past_part(); ++part) {
            if (parts_.empty()) {
                const AttentionSums next = sums_at(scratch.next, tile.num_rows);
                attend(task, tile, part, scratch, next);
                functions_.join(tile, sums, next);
            } else {
                functions_.join(tile, sums, sums_at(slot(task.first_slot + part - task.first_part()), tile.num_rows));
            }
        }
        write(task, tile, sums);
    }

    // The place of a query's head in `query` and `result`.
    int64_t place(const TileTask& task, int64_t row) const {
        const int64_t token = work_.starts[task.sequence] + task.first_query + row / work_.group();
        return (token * work_.num_heads + task.kv_head * work_.group() + row % work_.group()) * work_.head_dim;
    }

    AttentionTile read_tile(const TileTask& task, Scratch& scratch) const {
        const int64_t rows = num_rows(task), last_row = task.num_queries * work_.group() - 1;
        const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(work_.head_dim)));
        for (int64_t row = 0; row < rows; ++row) {
            const int64_t from = std::min(row, last_row);
            const int64_t start = place(task, from);
            for (int64_t component = 0; component < work_.head_dim; ++component) {
                const float value = read_scalar(work_.query, work_.type, start + component);
                scratch.queries[component * rows + row] = value * scale;
            }
            const int64_t query = task.first_query + from / work_.group();
            scratch.seen.last[row] = work_.first_positions[task.sequence] + query;
            scratch.seen.first[row] = work_.first_seen(scratch.seen.last[row]);
        }
        return {scratch.queries, rows, last_row + 1, work_.head_dim, &scratch.seen};
    }

    void attend(const TileTask& task, const AttentionTile& tile, int64_t number, Scratch& scratch,
                AttentionSums sums) const {
        AttentionPart part;
        part.first_position = std::max(task.first_position, number * ATTENTION_PART);
        part.num_positions = std::min(task.past_position, (number + 1) * ATTENTION_PART) - part.first_position;
        const int64_t* pages = work_.pages + task.sequence * work_.table_width;
        int64_t starts[ATTENTION_PART];
        for (int64_t index = 0; index < part.num_positions; ++index) {
            const int64_t position = part.first_position + index;
            const int64_t page = pages[position / work_.page_size - work_.first_page[task.sequence]];
            const int64_t slot = page * work_.page_size + position % work_.page_size;
            starts[index] = (slot * work_.num_kv_heads + task.kv_head) * work_.head_dim;
            prefetch(work_.keys, starts[index]);
        }
        for (int64_t index = 0; index < part.num_positions; ++index) {
            part.keys[index] = floats_of(work_.keys, starts[index], scratch.keys + index * work_.head_dim);
            part.values[index] = floats_of(work_.values, starts[index], scratch.values + index * work_.head_dim);
        }
        functions_.attend(tile, part, scratch.weights, sums);
    }

    // Positions lie apart, so the processor does not foresee them.
    void prefetch(const void* cache, int64_t start) const {
        const int64_t size = work_.cache_type == ScalarType::float32 ? 4 : 2;
        const char* first = static_cast<const char*>(cache) + start * size;
        for (int64_t byte = 0; byte < work_.head_dim * size; byte += 64) __builtin_prefetch(first + byte);
    }

    // One position's, where they lie, or widened into `room`.
    const float* floats_of(const void* cache, int64_t start, float* room) const {
        if (work_.cache_type == ScalarType::float32) return static_cast<const float*>(cache) + start;
        for (int64_t component = 0; component < work_.head_dim; ++component) {
            room[component] = read_scalar(cache, ScalarType::bfloat16, start + component);
        }
        return room;
    }

    // A sink is a logit without a value.
    void begin_with_sinks(const TileTask& task, const AttentionTile& tile, AttentionSums sums) const {
        for (int64_t row = 0; row < tile.num_rows; ++row) {
            const int64_t head = task.kv_head * work_.group() + row % work_.group();
            sums.largest[row] = read_scalar(work_.sinks, work_.sinks_type, head);
            sums.total[row] = 1;
        }
        std::fill(sums.mixed, sums.mixed + tile.head_dim * tile.num_rows, 0.0f);
    }

    void write(const TileTask& task, const AttentionTile& tile, AttentionSums sums) const {
        for (int64_t row = 0; row < task.num_queries * work_.group(); ++row) {
            const int64_t start = place(task, row);
            for (int64_t component = 0; component < work_.head_dim; ++component) {
                const float value = sums.mixed[component * tile.num_rows + row] / sums.total[row];
                write_scalar(work_.result, work_.type, start + component, value);
            }
        }
    }

    const Attention& work_;
    const AttentionFunctions& functions_;
    std::vector<TileTask> tiles_;
    std::vector<PartTask> parts_;  // empty: each tile sees to its own
    int64_t sums_size_, thread_size_;
    int num_threads_ = 1;
    std::unique_ptr<Room> room_;
};

}  // namespace
}  // namespace expertmesh

extern "C" __attribute__((visibility("default"))) expertmesh::AttentionStatus expertmesh_attention(
    const expertmesh::Attention* work) {
    using namespace expertmesh;
    const AttentionStatus status = check_pages(*work);
    if (status != AttentionStatus::done) return status;
    AttentionRun run(*work);
    if (!run.has_memory()) return AttentionStatus::out_of_memory;
    run.run();
    return AttentionStatus::done;
}
