// How a call's tiles are spread over threads.
//
// Kernels ask for what lies behind their tile. Where another thread takes that, it comes for nothing, and the next
// tile of this one has not been asked for: so a thread takes many neighbours at a time. A thread that has to share its
// core keeps the others waiting for those at most, and towards the end runs are shorter, for all to end together.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace expertmesh {

constexpr int64_t MOST_TILES_IN_A_RUN = 64;

// Whichever thread is free takes half of its share of what is left.
class TileRuns {
   public:
    TileRuns(int64_t num_tiles, int num_threads) : num_tiles_(num_tiles), num_halves_(2 * num_threads) {}

    struct Run {
        int64_t first, past;
    };

    // None where nothing is left.
    Run take() {
        int64_t first = next_.load(std::memory_order_relaxed), past;
        do {
            const int64_t left = num_tiles_ - first;
            past = first + std::clamp<int64_t>(left / num_halves_, std::min<int64_t>(left, 1), MOST_TILES_IN_A_RUN);
        } while (!next_.compare_exchange_weak(first, past, std::memory_order_relaxed));
        return {first, past};
    }

   private:
    const int64_t num_tiles_, num_halves_;
    std::atomic<int64_t> next_{0};
};

// Calls `work` with the number of every tile.
template <typename Work>
void for_tiles(int64_t num_tiles, int num_threads, const Work& work) {
    TileRuns runs(num_tiles, num_threads);
#pragma omp parallel num_threads(num_threads)
    for (TileRuns::Run run = runs.take(); run.first < run.past; run = runs.take()) {
        for (int64_t tile = run.first; tile < run.past; ++tile) work(tile);
    }
}

}  // namespace expertmesh
