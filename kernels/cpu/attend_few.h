// attend for few query rows, as of one token: rows in lanes would leave half of a register idle.
//
// Lanes are positions while logits are found, and components while values are mixed; every sum keeps the order that it
// has in attend.h, and so its bits. Needs registers of sixteen, and `transpose` for them.

#pragma once

#include "attend.h"

namespace expertmesh {
namespace {

constexpr int64_t FEW_ROWS = 8, MIXED_ROWS = 4, MOST_COMPONENTS = 128;
constexpr int64_t POSITIONS_AT_ONCE = 2 * WIDTH;
static_assert(ATTENTION_PART % POSITIONS_AT_ONCE == 0 && WIDTH % FEW_ROWS == 0 && FEW_ROWS % MIXED_ROWS == 0);

inline bool are_few(const AttentionTile& tile) {
    return tile.num_used <= FEW_ROWS && tile.num_rows == WIDTH && tile.head_dim % WIDTH == 0 &&
           tile.head_dim <= MOST_COMPONENTS;
}

// Keys of sixteen positions to sixteen columns of [head_dim, POSITIONS_AT_ONCE]; memory is asked for their values.
inline void turn_keys(const AttentionTile& tile, const AttentionPart& part, int64_t first, float* keys) {
    const int64_t last = part.num_positions - 1;
    for (int64_t component = 0; component < tile.head_dim; component += WIDTH) {
        Vector rows[WIDTH];
        for (int64_t i = 0; i < WIDTH; ++i) {
            const int64_t position = first + i < last ? first + i : last;
            rows[i] = load(part.keys[position] + component);
            __builtin_prefetch(part.values[position] + component);
        }
        transpose(rows);
        for (int64_t i = 0; i < WIDTH; ++i) store(keys + (component + i) * POSITIONS_AT_ONCE, rows[i]);
    }
}

// logits: [ATTENTION_PART, WIDTH]; those past the part's positions are the last one's.
inline void find_few_logits(const AttentionTile& tile, const AttentionPart& part, float* logits) {
    alignas(64) float keys[MOST_COMPONENTS * POSITIONS_AT_ONCE];  // [head_dim, POSITIONS_AT_ONCE]
    for (int64_t position = 0; position < part.num_positions; position += POSITIONS_AT_ONCE) {
        turn_keys(tile, part, position, keys);
        turn_keys(tile, part, position + WIDTH, keys + WIDTH);
        Vector sums[FEW_ROWS][2];
        for (auto& of_row : sums) of_row[0] = of_row[1] = all(0.0f);
        for (int64_t component = 0; component < tile.head_dim; ++component) {
            const float* of_component = keys + component * POSITIONS_AT_ONCE;
            const float* queries = tile.queries + component * WIDTH;
            const Vector first = load(of_component), second = load(of_component + WIDTH);
            for (int64_t row = 0; row < FEW_ROWS; ++row) {
                const Vector query = all(queries[row]);
                sums[row][0] = fused(first, query, sums[row][0]);
                sums[row][1] = fused(second, query, sums[row][1]);
            }
        }
        for (int64_t half = 0; half < 2; ++half) {
            Vector rows[WIDTH];
            for (int64_t row = 0; row < WIDTH; ++row) rows[row] = sums[row % FEW_ROWS][half];
            transpose(rows);
            for (int64_t i = 0; i < WIDTH; ++i) store(logits + (position + half * WIDTH + i) * WIDTH, rows[i]);
        }
    }
}

// So many registers of values times some rows' weights; mixed: [MIXED_ROWS, VALUES · WIDTH]
template <int VALUES>
inline void mix_rows(const AttentionPart& part, int64_t component, const float* weights, float* mixed) {
    Vector sums[MIXED_ROWS][VALUES];
    for (auto& of_row : sums) {
        for (Vector& each : of_row) each = all(0.0f);
    }
    for (int64_t position = 0; position < part.num_positions; ++position) {
        const float *values = part.values[position] + component, *of_position = weights + position * WIDTH;
        Vector value[VALUES];
        for (int v = 0; v < VALUES; ++v) value[v] = load(values + v * WIDTH);
        for (int row = 0; row < MIXED_ROWS; ++row) {
            const Vector weight = all(of_position[row]);
            for (int v = 0; v < VALUES; ++v) sums[row][v] = fused(value[v], weight, sums[row][v]);
        }
    }
    for (int row = 0; row < MIXED_ROWS; ++row) {
        for (int v = 0; v < VALUES; ++v) store(mixed + (row * VALUES + v) * WIDTH, sums[row][v]);
    }
}

// The components from `component` on; mixed: [head_dim, WIDTH]
template <int VALUES>
inline void mix_few(const AttentionPart& part, int64_t component, const float* weights, float* mixed) {
    alignas(64) float by_row[FEW_ROWS * VALUES * WIDTH];
    for (int64_t row = 0; row < FEW_ROWS; row += MIXED_ROWS) {
        mix_rows<VALUES>(part, component, weights + row, by_row + row * VALUES * WIDTH);
    }
    for (int64_t v = 0; v < VALUES; ++v) {
        Vector rows[WIDTH];
        for (int64_t row = 0; row < WIDTH; ++row) rows[row] = load(by_row + (row % FEW_ROWS * VALUES + v) * WIDTH);
        transpose(rows);
        for (int64_t i = 0; i < WIDTH; ++i) store(mixed + (component + v * WIDTH + i) * WIDTH, rows[i]);
    }
}

inline void attend_few(const AttentionTile& tile, const AttentionPart& part, float* weights, AttentionSums sums) {
    find_few_logits(tile, part, weights);
    hide_unseen(tile, part, weights);
    weigh(tile, part, 0, weights, sums);
    int64_t component = 0;
    for (; component + 4 * WIDTH <= tile.head_dim; component += 4 * WIDTH) {
        mix_few<4>(part, component, weights, sums.mixed);
    }
    for (; component < tile.head_dim; component += WIDTH) mix_few<1>(part, component, weights, sums.mixed);
}

}  // namespace
}  // namespace expertmesh
