// How many threads a call is worth.

#pragma once

#include <algorithm>
#include <cstdint>

namespace expertmesh {

// About ten microseconds each.
constexpr int64_t MULTIPLICATIONS_OF_A_THREAD = int64_t{1} << 17;  // of tiles
constexpr int64_t VALUES_OF_A_THREAD = int64_t{1} << 16;           // that are read, of whatever is no matrix

inline int useful_threads(int64_t amount, int64_t of_a_thread, int64_t num_threads) {
    return static_cast<int>(std::clamp<int64_t>(amount / of_a_thread, 1, num_threads));
}

}  // namespace expertmesh
