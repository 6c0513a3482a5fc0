// How many threads a call is worth, and how many neighbouring tiles each takes at a time.
//
// Kernels ask for what lies behind their tile. Where another thread takes that, it comes for nothing, and the next
// tile of this one has not been asked for. Still, each thread shall have enough turns for all to end together.

#pragma once

#include <algorithm>
#include <cstdint>

namespace expertmesh {

constexpr int64_t WORTH_A_THREAD = int64_t{1} << 17;  // multiplications; about ten microseconds

inline int useful_threads(int64_t num_multiplications, int64_t num_threads) {
    return static_cast<int>(std::clamp<int64_t>(num_multiplications / WORTH_A_THREAD, 1, num_threads));
}

constexpr int64_t TURNS_OF_A_THREAD = 8, MOST_TILES_IN_A_RUN = 16;

inline int64_t tiles_in_a_run(int64_t num_tiles, int64_t num_threads) {
    return std::clamp<int64_t>(num_tiles / (num_threads * TURNS_OF_A_THREAD), 1, MOST_TILES_IN_A_RUN);
}

}  // namespace expertmesh
