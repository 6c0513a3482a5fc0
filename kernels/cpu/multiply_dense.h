// The body of each multiply_dense_*: included once per instruction set, after its pairs_*.h.
//
// All is in an unnamed namespace and calls nothing of the standard library but memcpy: a function compiled here for one
// processor must never be the one that the linker keeps for another.
//
// Some rows of activations and two of the matrix make a square of sums that stay in registers, over a stretch of the
// input short enough for the activations to stay near; between stretches sums wait in memory, which changes no bit.

#pragma once

#include "dense_tile.h"

namespace expertmesh {
namespace {

constexpr int PARTS = DENSE_LANES / WIDTH;  // of the lanes, each a register
constexpr int SQUARE_OUTS = 2;
constexpr int64_t OUTS_AHEAD = 6;  // to prefetch: matrix rows are too short for the processor's own prefetchers
constexpr int64_t BYTES_OF_ROWS_NEAR = 24 * 1024;  // how much of a first-level cache a square's activations may fill

// The lines of consecutive matrix rows. Bit i of `unusual`, here and in compact_lines.h: whether line 64 · word + i is
// not as most are, in any of OUTS matrix rows.
class StoredLines {
   public:
    static constexpr int64_t BYTES_OF_LINE = DENSE_LINE * sizeof(uint16_t);

    explicit StoredLines(const StoredRows& rows) : rows_(rows) {}

    inline const uint8_t* at(int64_t out, int64_t line) const {
        return reinterpret_cast<const uint8_t*>(values(out, line));
    }

    // The line that the matrix does not fill.
    template <int OUTS>
    inline uint64_t unusual(int64_t, int64_t word) const {
        if (rows_.width % DENSE_LINE == 0 || num_lines() > 64 * (word + 1)) return 0;
        return uint64_t{1} << (num_lines() - 1) % 64;
    }

    inline TwoBlocks blocks(int64_t out, int64_t line, int part) const {
        return stored_blocks(values(out, line), part);
    }

    // What the matrix does not fill is zero.
    inline TwoBlocks unusual_blocks(int64_t out, int64_t line, int part) const {
        const uint16_t* given = values(out, line);
        uint16_t filled[DENSE_LINE] = {};
        for (int64_t i = 0; i < rows_.width - line * DENSE_LINE; ++i) filled[i] = given[i];
        return stored_blocks(filled, part);
    }

    int64_t num_lines() const { return lines_of(rows_.width); }

   private:
    inline const uint16_t* values(int64_t out, int64_t line) const {
        return rows_.weights + out * rows_.width + line * DENSE_LINE;
    }

    const StoredRows& rows_;
};

// Sums of OUTS matrix rows and ROWS rows of activations.
template <int OUTS, int ROWS>
struct Square {
    Vector sums[ROWS * OUTS][PARTS];

    // x: [ROWS, DENSE_LANES]
    inline void add(const Vector (&weights)[OUTS], const float* x, int part) {
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) {  // unrolled, so that sums stay in registers
            const Vector values = load(x + row * DENSE_LANES + WIDTH * part);
            for (int out = 0; out < OUTS; ++out) {
                Vector& sum = sums[row * OUTS + out][part];
                sum = add_product(sum, weights[out], values);
            }
        }
    }

    template <typename Move>
    inline void each_sum(Move move) {
#pragma GCC unroll 16
        for (int i = 0; i < ROWS * OUTS; ++i) {
            for (int part = 0; part < PARTS; ++part) move(i, part, sums[i][part]);
        }
    }

    // to: [ROWS, MOST_DENSE_OUTS], from the square's first out on
    inline void write(float* to) const {
        float together[ROWS * OUTS];
        totals(sums, together);
        for (int row = 0; row < ROWS; ++row) {
            for (int out = 0; out < OUTS; ++out) to[row * MOST_DENSE_OUTS + out] = together[row * OUTS + out];
        }
    }
};

// x: [4, ROWS, DENSE_LANES]: odd and even ones of the first block, then of the second
template <int OUTS, int ROWS>
inline void add_blocks(Square<OUTS, ROWS>& square, const TwoBlocks (&blocks)[OUTS], const float* x, int part) {
    constexpr int HALF = ROWS * DENSE_LANES;
    Vector values[OUTS];
    for (int out = 0; out < OUTS; ++out) values[out] = odds(blocks[out].first);
    square.add(values, x, part);
    for (int out = 0; out < OUTS; ++out) values[out] = evens(blocks[out].first);
    square.add(values, x + HALF, part);
    for (int out = 0; out < OUTS; ++out) values[out] = odds(blocks[out].second);
    square.add(values, x + 2 * HALF, part);
    for (int out = 0; out < OUTS; ++out) values[out] = evens(blocks[out].second);
    square.add(values, x + 3 * HALF, part);
}

// Lines of the inputs: first … past − 1.
struct Stretch {
    int64_t first, past;
};

// What waits in memory between stretches: of square after square, the lanes of each sum.
template <int ROWS>
using WaitingSums = float[MOST_DENSE_OUTS * ROWS][DENSE_LANES];

// Asks memory for the lines that a square some matrix rows behind will take: where squares take whole rows, in the
// order in which they stand, since memory gives neighbours faster.
template <int OUTS, typename Lines>
class Ahead {
   public:
    inline Ahead(const Lines& lines, int64_t out, Stretch stretch) : next_(lines.at(out + OUTS_AHEAD, stretch.first)) {
        const bool is_whole = stretch.first == 0 && stretch.past == lines.num_lines();
        step_ = Lines::BYTES_OF_LINE * (is_whole ? OUTS : 1);
        between_ = is_whole ? Lines::BYTES_OF_LINE : lines.at(1, 0) - lines.at(0, 0);
    }

    inline void prefetch() {
        for (int o = 0; o < OUTS; ++o) {
            __builtin_prefetch(next_ + o * between_);
            __builtin_prefetch(next_ + o * between_ + 64);
        }
        next_ += step_;
    }

   private:
    const uint8_t* next_;
    int64_t step_, between_;  // from line to line, and from matrix row to matrix row
};

template <int OUTS, int ROWS, typename Lines, typename Value>
inline void add_square(const Lines& lines, int64_t out, const Value* x, Stretch stretch, WaitingSums<ROWS>& waiting,
                       float* result) {
    Square<OUTS, ROWS> square = {};
    Ahead<OUTS, Lines> ahead(lines, out, stretch);
    float(*lanes)[DENSE_LANES] = waiting + out * ROWS;
    if (stretch.first > 0) square.each_sum([=](int i, int part, Vector& sum) { sum = load(lanes[i] + WIDTH * part); });
    for (int64_t line = stretch.first; line < stretch.past;) {
        const int64_t word = line / 64, next_word = 64 * (word + 1);
        const int64_t past = next_word < stretch.past ? next_word : stretch.past;
        uint64_t unusual = lines.template unusual<OUTS>(out, word) >> line % 64;
        for (; line < past; ++line, unusual >>= 1) {
            ahead.prefetch();
            for (int part = 0; part < PARTS; ++part) {
                TwoBlocks blocks[OUTS];
                if (__builtin_expect((unusual & 1) == 0, 1)) {
                    for (int o = 0; o < OUTS; ++o) blocks[o] = lines.blocks(out + o, line, part);
                } else {
                    for (int o = 0; o < OUTS; ++o) blocks[o] = lines.unusual_blocks(out + o, line, part);
                }
                add_blocks(square, blocks, x + line * DENSE_LINE * ROWS, part);
            }
        }
    }
    if (stretch.past == lines.num_lines()) return square.write(result + out);
    square.each_sum([=](int i, int part, Vector& sum) { store(lanes[i] + WIDTH * part, sum); });
}

template <int ROWS, typename Lines, typename Value>
inline void multiply_rows(const Lines& lines, int64_t num_outs, const Value* x, float* result) {
    constexpr int64_t MOST_LINES = BYTES_OF_ROWS_NEAR / (ROWS * DENSE_LINE * sizeof(Value));
    alignas(64) WaitingSums<ROWS> waiting;
    const int64_t num_lines = lines.num_lines();
    const int64_t num_stretches = ROWS == 1 || num_lines == 0 ? 1 : (num_lines + MOST_LINES - 1) / MOST_LINES;
    for (int64_t number = 0; number < num_stretches; ++number) {
        const Stretch stretch{number * num_lines / num_stretches, (number + 1) * num_lines / num_stretches};
        int64_t out = 0;
        for (; out + SQUARE_OUTS <= num_outs; out += SQUARE_OUTS) {
            add_square<SQUARE_OUTS, ROWS>(lines, out, x, stretch, waiting, result);
        }
        for (; out < num_outs; ++out) add_square<1, ROWS>(lines, out, x, stretch, waiting, result);
    }
}

template <int ROWS, typename Lines, typename Value>
inline void multiply_some(const Lines& lines, int64_t num_outs, const Value* x, int64_t num_rows, float* result) {
    if (num_rows == ROWS) return multiply_rows<ROWS>(lines, num_outs, x, result);
    if constexpr (ROWS > 1) multiply_some<ROWS - 1>(lines, num_outs, x, num_rows, result);
}

// A `MultiplyRows`.
template <typename Lines, typename Rows, typename Value>
void multiply_dense(const Rows& rows, int64_t num_outs, const Value* x, int64_t num_x, float* sums) {
    multiply_some<ROWS_TOGETHER>(Lines(rows), num_outs, x, num_x, sums);
}

}  // namespace
}  // namespace expertmesh
