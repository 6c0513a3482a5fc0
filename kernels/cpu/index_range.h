// Whether indices that came from elsewhere may be followed.

#pragma once

#include <algorithm>
#include <cstdint>

namespace expertmesh {

inline bool all_below(const int64_t* indices, int64_t count, int64_t limit) {
    return std::all_of(indices, indices + count, [=](int64_t index) { return 0 <= index && index < limit; });
}

}  // namespace expertmesh
