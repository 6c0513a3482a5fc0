// Assignments in the order of their experts: what kernels/group.py calls.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "index_range.h"

// order: [num_assignments]; offsets: [num_experts + 1], as in GroupedMatmul. Within a group assignments keep their
// order. -> whether every expert is there; else nothing is written.
extern "C" __attribute__((visibility("default"))) bool expertmesh_group(
    int64_t num_assignments, int64_t num_experts, const int64_t* experts, int64_t* order, int64_t* offsets) {
    if (!expertmesh::all_below(experts, num_assignments, num_experts)) return false;
    std::fill(offsets, offsets + num_experts + 1, 0);
    for (int64_t i = 0; i < num_assignments; ++i) ++offsets[experts[i] + 1];
    for (int64_t expert = 0; expert < num_experts; ++expert) offsets[expert + 1] += offsets[expert];
    std::vector<int64_t> next(offsets, offsets + num_experts);  // [num_experts]: the first place that is free
    for (int64_t i = 0; i < num_assignments; ++i) order[next[experts[i]]++] = i;
    return true;
}
