// Activations as float32 in the order in which dense layers meet them.
//
// Rows that meet a matrix together stand together: for each block of 32 inputs the even ones of every such row, then
// the odd ones. A row's last line is filled up with zeros.

#pragma once

#include <algorithm>
#include <cstdint>

#include "dense_tile.h"
#include "rows.h"
#include "scalar_type.h"

namespace expertmesh {

class PairedRows {
   public:
    // x: [num_rows, width]. Groups are of nearly the same size, `most_together` at most.
    PairedRows(const void* x, ScalarType type, int64_t num_rows, int64_t width, int64_t most_together)
        : x_(x), type_(type), num_rows_(num_rows), width_(width), padded_(lines_of(width) * DENSE_LINE),
          num_groups_((num_rows + most_together - 1) / most_together), floats_(num_rows * padded_) {}

    bool has_memory() const { return floats_.get() != nullptr; }

    int64_t num_groups() const { return num_groups_; }

    int64_t first_row(int64_t group) const { return group * num_rows_ / num_groups_; }

    int64_t rows_of(int64_t group) const { return first_row(group + 1) - first_row(group); }

    const float* values(int64_t group) const { return floats_.get() + first_row(group) * padded_; }

    // Group by group, by whichever thread.
    void bring(int64_t group) {
        const int64_t first = first_row(group), count = rows_of(group);
        for (int64_t row = 0; row < count; ++row) {
            float* to = floats_.get() + first * padded_ + row * DENSE_LANES;
            for (int64_t input = 0; input < padded_; input += DENSE_BLOCK) {
                float block[DENSE_BLOCK] = {};
                const int64_t num_values = std::min<int64_t>(DENSE_BLOCK, std::max<int64_t>(0, width_ - input));
                read_scalars(x_, type_, (first + row) * width_ + input, num_values, block);
                float *even = to + input * count, *odd = even + DENSE_LANES * count;
                for (int lane = 0; lane < DENSE_LANES; ++lane) {
                    even[lane] = block[2 * lane];
                    odd[lane] = block[2 * lane + 1];
                }
            }
        }
    }

   private:
    const void* x_;
    ScalarType type_;
    int64_t num_rows_, width_, padded_, num_groups_;
    Unwritten<float> floats_;  // by group: [blocks, even or odd, rows of the group, DENSE_LANES]
};

}  // namespace expertmesh
