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
          values_(work.num_rows * num_blocks_ * BLOCK_VALUES), scales_(work.num_rows * num_blocks_),
          starts_(work.num_rows * num_blocks_) {}

    bool has_memory() const override { return values_.get() && scales_.get() && starts_.get(); }

    void prepare(int64_t row) override {
        for (int64_t block = row * num_blocks_; block < (row + 1) * num_blocks_; ++block) {
            float x[BLOCK_VALUES];
            for (int i = 0; i < BLOCK_VALUES; ++i) x[i] = read_scalar(x_, type_, block * BLOCK_VALUES + i);
            quantize(x, block);
        }
    }

    void multiply(const PackedTile& tile, const int64_t* indices, int64_t num_rows, float* sums) const override {
        Int8Row rows[MAX_PASS_ROWS];
        for (int64_t row = 0; row < num_rows; ++row) {
            const int64_t first = indices[row] * num_blocks_;
            rows[row] = {values_.get() + first * BLOCK_VALUES, scales_.get() + first, starts_.get() + first};
        }
        multiply_(tile, rows, num_rows, sums);
    }

   private:
    void quantize(const float* x, int64_t block) {
        const float scale = scale_of(x);
        const float inverse = scale > 0 ? 1 / scale : 0.0f;
        int8_t* to = values_.get() + block * BLOCK_VALUES;
        int32_t rounded[BLOCK_VALUES], sum = 0;
        for (int i = 0; i < BLOCK_VALUES; ++i) sum += rounded[i] = inverse == 0 ? 0 : to_nearest(x[i] * inverse);
        for (int i = 0; i < BLOCK_VALUES; ++i) to[i] = static_cast<int8_t>(rounded[i / 8 * 8 + VALUE_AT[i % 8]]);
        scales_.get()[block] = scale / 2;
        starts_.get()[block] = -WEIGHT_OFFSET * sum;
    }

    // As integers floats compare by magnitude, and what is no number is largest.
    static float scale_of(const float* x) {
        uint32_t largest = 0;
        for (int i = 0; i < BLOCK_VALUES; ++i) {
            const uint32_t magnitude = bits_of(x[i]) & 0x7FFFFFFF;
            largest = magnitude > largest ? magnitude : largest;
        }
        constexpr uint32_t INFINITE = 0x7F800000, LEAST = 0x04000000;  // 2^−119
        if (largest >= INFINITE) return float_of(0x7FC00000);
        return largest < LEAST ? 0.0f : float_of((bits_of(float_of(largest) / 127) + 0xFFFF) & 0xFFFF0000);
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
    Unwritten<int8_t> values_;   // [num_rows, num_blocks, 32]
    Unwritten<float> scales_;    // [num_rows, num_blocks]
    Unwritten<int32_t> starts_;  // [num_rows, num_blocks]
};

}  // namespace expertmesh
