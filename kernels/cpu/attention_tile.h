// Some queries of one KV head against a part of a sequence: the one function that each instruction set brings.
//
// Query rows (a query of one head each) lie in lanes, or positions and components where rows are few (attend_few.h);
// no sum crosses lanes, and a row's bits depend neither on the rows beside it nor on the width of a register. A part is
// ATTENTION_PART positions from a multiple of it on, and has a softmax of its own; parts are joined in their order
// (attention.cpp). So neither chunks, pages, company nor threads show in the result. A position that a row does not see
// adds exactly 0.

#pragma once

#include <cstdint>

namespace expertmesh {

constexpr int64_t ATTENTION_PART = 128;
constexpr int64_t ATTENTION_ROWS = 64;  // of a tile, at most: a multiple of every register's width

// Which positions each row of a tile sees: those from `first` to `last`.
struct SeenPositions {
    int64_t first[ATTENTION_ROWS], last[ATTENTION_ROWS];
};

struct AttentionTile {
    const float* queries;  // [head_dim, num_rows], scaled
    int64_t num_rows;      // a multiple of the register's width
    int64_t num_used;      // of them; the others are any queries, which see something
    int64_t head_dim;
    const SeenPositions* seen;
};

// Some positions of one part, which every page table entry behind them has.
struct AttentionPart {
    int64_t first_position, num_positions;
    const float* keys[ATTENTION_PART];    // each [head_dim]
    const float* values[ATTENTION_PART];  // each [head_dim]
};

// What a part gives, or several joined: a row's largest logit l, Σ exp(l_k − l), and Σ exp(l_k − l) · value.
struct AttentionSums {
    float* largest;  // [num_rows]
    float* total;    // [num_rows]
    float* mixed;    // [head_dim, num_rows]
};

// `weights`: room for [ATTENTION_PART, num_rows].
using AttendPart = void (*)(const AttentionTile& tile, const AttentionPart& part, float* weights, AttentionSums sums);

// To `sums`, those of the next part.
using JoinPart = void (*)(const AttentionTile& tile, AttentionSums sums, AttentionSums next);

struct AttentionFunctions {
    int64_t width;  // of a register
    AttendPart attend;
    JoinPart join;
};

extern const AttentionFunctions ATTENTION_PLAIN, ATTENTION_AVX2, ATTENTION_AVX512;

}  // namespace expertmesh
