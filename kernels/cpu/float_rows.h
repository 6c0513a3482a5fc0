// Activations as float32 in the order of an instruction set's lanes, each row on a cache line of its own.

#pragma once

#include "lane_order.h"
#include "rows.h"

namespace expertmesh {

class FloatRows : public Rows {
   public:
    FloatRows(const GroupedMatmul& work, const TileKernel& kernel)
        : x_(work.x), type_(work.type), kernel_(kernel), width_(work.num_blocks * BLOCK_VALUES),
          floats_(work.num_rows * width_) {}

    bool has_memory() const override { return floats_.get() != nullptr; }

    void prepare(int64_t row) override {
        const int64_t start = row * width_;
        for (int64_t block = start; block < start + width_; block += BLOCK_VALUES) {
            for (int position = 0; position < BLOCK_VALUES; ++position) {
                floats_.get()[block + position] = read_scalar(x_, type_, block + kernel_.input_at[position]);
            }
        }
    }

    void multiply(const PackedTile& tile, const int64_t* indices, int64_t num_rows, float* sums) const override {
        const float* rows[MAX_PASS_ROWS] = {};
        for (int64_t row = 0; row < num_rows; ++row) rows[row] = floats_.get() + indices[row] * width_;
        kernel_.multiply(tile, rows, num_rows, sums);
    }

   private:
    const void* x_;
    ScalarType type_;
    const TileKernel& kernel_;
    int64_t width_;
    Unwritten<float> floats_;  // [num_rows, width]
};

}  // namespace expertmesh
