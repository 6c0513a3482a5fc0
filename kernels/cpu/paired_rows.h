// Activations as float32 in the order of dense_tile.h: of each block of 32 the even ones, then the odd ones.
//
// A row's last block is filled up with zeros.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "dense_tile.h"
#include "scalar_type.h"

namespace expertmesh {

class PairedRows {
   public:
    // x: [num_rows, width]. Rows are brought into order one by one, by whichever thread.
    PairedRows(const void* x, ScalarType type, int64_t num_rows, int64_t width)
        : x_(x), type_(type), width_(width), padded_((width + DENSE_BLOCK - 1) / DENSE_BLOCK * DENSE_BLOCK),
          floats_(static_cast<float*>(std::aligned_alloc(64, std::max<int64_t>(64, num_rows * padded_ * 4)))) {}

    bool has_memory() const { return floats_ != nullptr; }

    const float* row(int64_t index) const { return floats_.get() + index * padded_; }

    void bring(int64_t index) {
        float* to = floats_.get() + index * padded_;
        for (int64_t input = 0; input < padded_; ++input) {
            const int64_t start = input / DENSE_BLOCK * DENSE_BLOCK, inside = input % DENSE_BLOCK;
            const float value = input < width_ ? read_scalar(x_, type_, index * width_ + input) : 0.0f;
            to[start + inside % 2 * DENSE_LANES + inside / 2] = value;
        }
    }

   private:
    struct Free {
        void operator()(float* floats) const { std::free(floats); }
    };

    const void* x_;
    ScalarType type_;
    int64_t width_, padded_;
    std::unique_ptr<float[], Free> floats_;
};

}  // namespace expertmesh
