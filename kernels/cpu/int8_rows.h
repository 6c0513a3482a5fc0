// Activations as int8, 32 values to a scale: a row's own affair, the same for every instruction set.
//
// The scale is the largest magnitude / 127, rounded up to eight significant bits: so a block's sum times it is exact
// (int8_tile.h), and no value is beyond 127. A block with a NaN or an infinity becomes NaN as a whole, one with
// nothing above 2^−119 zero.

#pragma once

#include <cstring>

#include "int8_tile.h"
#include "lane_order.h"
#include "rows.h"

namespace expertmesh {

class Int8Rows : public Rows {
   public:
    Int8Rows(const GroupedMatmul& work, MultiplyInt8Tile multiply)
        : x_(work.x), type_(work.type), multiply_(multiply), num_blocks_(work.num_blocks),
          blocks_(work.num_rows * num_blocks_), are_moderate_(work.num_rows) {}

    bool has_memory() const override { return blocks_.get() && are_moderate_.get(); }

    void prepare(int64_t row) override {
        bool all_moderate = true;
        for (int64_t block = row * num_blocks_; block < (row + 1) * num_blocks_; ++block) {
            float x[BLOCK_VALUES];
            for (int i = 0; i < BLOCK_VALUES; ++i) x[i] = read_scalar(x_, type_, block * BLOCK_VALUES + i);
            Int8Block& to = blocks_.get()[block];
            quantize(x, to);
            all_moderate = all_moderate && is_moderate(bits_of(to.scale) >> 23);
        }
        are_moderate_.get()[row] = all_moderate;
    }

    void multiply(const PackedTile& tile, const int64_t* indices, int64_t num_rows, float* sums) const override {
        Int8Row rows[MAX_PASS_ROWS];
        for (int64_t row = 0; row < num_rows; ++row) {
            rows[row] = {blocks_.get() + indices[row] * num_blocks_, are_moderate_.get()[indices[row]]};
        }
        multiply_(tile, rows, num_rows, sums);
    }

   private:
    static void quantize(const float* x, Int8Block& to) {
        const float scale = scale_of(x);
        const float inverse = scale > 0 ? 1 / scale : 0.0f;
        int32_t rounded[BLOCK_VALUES], sum = 0;
        for (int i = 0; i < BLOCK_VALUES; ++i) sum += rounded[i] = inverse == 0 ? 0 : to_nearest(x[i] * inverse);
        for (int i = 0; i < BLOCK_VALUES; ++i) {
            to.values[i] = static_cast<int8_t>(rounded[i / 8 * 8 + VALUE_AT[i % 8]]);
        }
        to.scale = scale / 2;
        to.start = -WEIGHT_OFFSET * sum;
    }

    // As integers floats compare by magnitude, and what is no number is largest. Zeros may have any scale.
    static float scale_of(const float* x) {
        uint32_t largest = 0;
        for (int i = 0; i < BLOCK_VALUES; ++i) {
            const uint32_t magnitude = bits_of(x[i]) & 0x7FFFFFFF;
            largest = magnitude > largest ? magnitude : largest;
        }
        constexpr uint32_t INFINITE = 0x7F800000, LEAST = 0x04000000;  // 2^−119
        if (largest >= INFINITE) return float_of(0x7FC00000);
        return largest < LEAST ? 1.0f : float_of((bits_of(float_of(largest) / 127) + 0xFFFF) & 0xFFFF0000);
    }

    // Ties to even. Only for what is far from 2^22.
    static int32_t to_nearest(float value) { return static_cast<int32_t>(bits_of(value + 12582912.0f) - 0x4B400000); }

    static uint32_t bits_of(float value) {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        return bits;
    }

    static float float_of(uint32_t bits) {
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }

    const void* x_;
    ScalarType type_;
    MultiplyInt8Tile multiply_;
    int64_t num_blocks_;
    Unwritten<Int8Block> blocks_;   // [num_rows, num_blocks]
    Unwritten<bool> are_moderate_;  // [num_rows]
};

}  // namespace expertmesh
