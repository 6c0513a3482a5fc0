// Activations as int8, 32 values to a scale: a row's own affair (round_int8_body.h).

#pragma once

#include "int8_tile.h"
#include "lane_order.h"
#include "round_int8.h"
#include "rows.h"

namespace expertmesh {

class Int8Rows : public Rows {
   public:
    Int8Rows(const GroupedMatmul& work, RoundInt8 round, MultiplyInt8Tile multiply)
        : x_(work.x), type_(work.type), round_(round), multiply_(multiply), num_blocks_(work.num_blocks),
          blocks_(work.num_rows * num_blocks_), are_moderate_(work.num_rows) {}

    bool has_memory() const override { return blocks_.get() && are_moderate_.get(); }

    void prepare(int64_t row) override {
        Int8Block* to = blocks_.get() + row * num_blocks_;
        are_moderate_.get()[row] = round_(x_, type_, row * num_blocks_ * BLOCK_VALUES, num_blocks_, to);
    }

    void multiply(const PackedTile& tile, const int64_t* indices, int64_t num_rows, float* sums) const override {
        Int8Row rows[MAX_PASS_ROWS];
        for (int64_t row = 0; row < num_rows; ++row) {
            rows[row] = {blocks_.get() + indices[row] * num_blocks_, are_moderate_.get()[indices[row]]};
        }
        multiply_(tile, rows, num_rows, sums);
    }

   private:
    const void* x_;
    ScalarType type_;
    RoundInt8 round_;
    MultiplyInt8Tile multiply_;
    int64_t num_blocks_;
    Unwritten<Int8Block> blocks_;   // [num_rows, num_blocks]
    Unwritten<bool> are_moderate_;  // [num_rows]
};

}  // namespace expertmesh
