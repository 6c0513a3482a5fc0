// Activations as float32 in the order of an instruction set's lanes, each row on a cache line of its own.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "lane_order.h"
#include "scalar_type.h"

namespace expertmesh {

class ArrangedRows {
   public:
    // x: [num_rows, 32 * num_blocks]. Rows are arranged one by one, by whichever thread.
    ArrangedRows(const void* x, ScalarType type, int64_t num_rows, int64_t num_blocks, const int* input_at)
        : x_(x), type_(type), input_at_(input_at), width_(num_blocks * BLOCK_VALUES),
          floats_(static_cast<float*>(std::aligned_alloc(64, (num_rows * width_ + LANES) * sizeof(float)))) {}

    bool has_memory() const { return floats_ != nullptr; }

    const float* row(int64_t index) const { return floats_.get() + index * width_; }

    void arrange(int64_t index) {
        const int64_t start = index * width_;
        for (int64_t block = start; block < start + width_; block += BLOCK_VALUES) {
            for (int position = 0; position < BLOCK_VALUES; ++position) {
                floats_[block + position] = read_scalar(x_, type_, block + input_at_[position]);
            }
        }
    }

   private:
    struct Free {
        void operator()(float* floats) const { std::free(floats); }
    };

    const void* x_;
    ScalarType type_;
    const int* input_at_;  // [32]
    int64_t width_;
    std::unique_ptr<float[], Free> floats_;
};

}  // namespace expertmesh
