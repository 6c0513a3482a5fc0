// Activations in the order in which dense layers meet them, as float32 or bfloat16.
//
// Rows that meet a matrix together stand together, block by block of 32 inputs. As float32: the odd inputs of every
// such row, then the even ones. As bfloat16: every row's inputs as they are. A row's last line is filled up with zeros.

#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>

#include "dense_tile.h"
#include "rows.h"
#include "scalar_type.h"

namespace expertmesh {

template <typename Value>
class PairedRows {
   public:
    // x: [num_rows, width]. Groups are of nearly the same size, `most_together` at most.
    PairedRows(const void* x, ScalarType type, bool is_rounded, int64_t num_rows, int64_t width, int64_t most_together)
        : x_(x), type_(type), is_rounded_(is_rounded), num_rows_(num_rows), width_(width),
          padded_(lines_of(width) * DENSE_LINE), num_groups_((num_rows + most_together - 1) / most_together),
          values_(num_rows * padded_) {}

    bool has_memory() const { return values_.get() != nullptr; }

    int64_t num_groups() const { return num_groups_; }

    int64_t first_row(int64_t group) const { return group * num_rows_ / num_groups_; }

    int64_t rows_of(int64_t group) const { return first_row(group + 1) - first_row(group); }

    const Value* values(int64_t group) const { return values_.get() + first_row(group) * padded_; }

    // Group by group, by whichever thread.
    void bring(int64_t group) {
        const int64_t first = first_row(group), count = rows_of(group);
        for (int64_t row = 0; row < count; ++row) {
            for (int64_t input = 0; input < padded_; input += DENSE_BLOCK) {
                float block[DENSE_BLOCK] = {};
                const int64_t num_values = std::min<int64_t>(DENSE_BLOCK, std::max<int64_t>(0, width_ - input));
                read_scalars(x_, type_, (first + row) * width_ + input, num_values, block);
                place(block, values_.get() + first * padded_ + input * count, row, count);
            }
        }
    }

   private:
    void place(const float* block, float* to, int64_t row, int64_t count) const {
        float *odd = to + row * DENSE_LANES, *even = odd + count * DENSE_LANES;
        for (int lane = 0; lane < DENSE_LANES; ++lane) {
            odd[lane] = is_rounded_ ? rounded(block[2 * lane + 1]) : block[2 * lane + 1];
            even[lane] = is_rounded_ ? rounded(block[2 * lane]) : block[2 * lane];
        }
    }

    void place(const float* block, uint16_t* to, int64_t row, int64_t) const {
        for (int i = 0; i < DENSE_BLOCK; ++i) to[row * DENSE_BLOCK + i] = rounded_bits(block[i]);
    }

    // What is too small for a normal number counts as zero, for it does so in dot products.
    static uint16_t rounded_bits(float value) {
        return std::fabs(value) < FLT_MIN ? 0 : to_bfloat16(value);
    }

    static float rounded(float value) {
        const uint16_t bits = rounded_bits(value);
        return read_scalar(&bits, ScalarType::bfloat16, 0);
    }

    const void* x_;
    ScalarType type_;
    bool is_rounded_;
    int64_t num_rows_, width_, padded_, num_groups_;
    Unwritten<Value> values_;  // by group: float [blocks, 2, rows, DENSE_LANES], bfloat16 [blocks, rows, DENSE_BLOCK]
};

}  // namespace expertmesh
