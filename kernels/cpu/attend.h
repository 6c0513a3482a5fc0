// The body of each attend_*: included once per instruction set, after its vector_*.h.
//
// All is in an unnamed namespace and calls nothing of the standard library: a function compiled here for one
// processor must never be the one that the linker keeps for another.

#pragma once

#include "attention_tile.h"

namespace expertmesh {
namespace {

constexpr float LOWEST = -3.0e38f;  // below every logit; a row that sees nothing keeps it
constexpr float UNSEEN = -__builtin_inff();

// Of values up to 0; 0 below the least normal number. Error: some 2 units in the last place.
inline Vector exponential(Vector x) {
    const Vector least = all(-87.0f);
    const Vector within = greater(least, x);
    const Vector power = rounded(product(within, all(1.44269504f)));
    Vector rest = fused(power, all(-0.693359375f), within);  // ln 2 in two parts, the first one short
    rest = fused(power, all(2.12194440e-4f), rest);
    constexpr float TAYLOR[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    Vector series = all(TAYLOR[0]);  // the first term that is left out is below 6e-9 of the sum
    for (int term = 1; term < 8; ++term) series = fused(series, rest, all(TAYLOR[term]));
    return zero_where_less(x, least, product(series, power_of_two(power)));
}

// Of positions that lie apart, which the processor does not foresee.
inline void prefetch(const float* from, int64_t count) {
    for (int64_t index = 0; index < count; index += 16) __builtin_prefetch(from + index);
}

// POSITIONS · VECTORS sums in registers, each in the order of the head's components.
template <int POSITIONS, int VECTORS>
inline void add_logits(const AttentionTile& tile, const AttentionPart& part, int64_t position, int64_t row,
                       float* logits) {
    Vector sums[POSITIONS][VECTORS];
    for (int p = 0; p < POSITIONS; ++p) {
        for (int v = 0; v < VECTORS; ++v) sums[p][v] = all(0.0f);
    }
    const float* keys[POSITIONS];
    for (int p = 0; p < POSITIONS; ++p) {
        keys[p] = part.keys[position + p];
        prefetch(part.values[position + p], tile.head_dim);
    }
    for (int64_t component = 0; component < tile.head_dim; ++component) {
        Vector query[VECTORS];
        for (int v = 0; v < VECTORS; ++v) query[v] = load(tile.queries + component * tile.num_rows + row + v * WIDTH);
        for (int p = 0; p < POSITIONS; ++p) {
            const Vector key = all(keys[p][component]);
            for (int v = 0; v < VECTORS; ++v) sums[p][v] = fused(key, query[v], sums[p][v]);
        }
    }
    for (int p = 0; p < POSITIONS; ++p) {
        for (int v = 0; v < VECTORS; ++v) store(logits + (position + p) * tile.num_rows + row + v * WIDTH, sums[p][v]);
    }
}

template <int POSITIONS, int VECTORS>
inline void find_logits(const AttentionTile& tile, const AttentionPart& part, int64_t row, float* logits) {
    int64_t position = 0;
    for (; position + POSITIONS <= part.num_positions; position += POSITIONS) {
        add_logits<POSITIONS, VECTORS>(tile, part, position, row, logits);
    }
    for (; position < part.num_positions; ++position) add_logits<1, VECTORS>(tile, part, position, row, logits);
}

inline void hide(const AttentionTile& tile, float* logits_of_row, int64_t first, int64_t past) {
    for (int64_t position = first; position < past; ++position) logits_of_row[position * tile.num_rows] = UNSEEN;
}

inline void hide_unseen(const AttentionTile& tile, const AttentionPart& part, float* logits) {
    const int64_t num_positions = part.num_positions;
    for (int64_t row = 0; row < tile.num_rows; ++row) {
        const int64_t before = tile.seen->first[row] - part.first_position;
        const int64_t through = tile.seen->last[row] + 1 - part.first_position;
        hide(tile, logits + row, 0, before < num_positions ? before : num_positions);
        hide(tile, logits + row, through > 0 ? through : 0, num_positions);
    }
}

// logits become weights, exp(logit − the row's largest).
inline void weigh(const AttentionTile& tile, const AttentionPart& part, int64_t row, float* logits, AttentionSums sums) {
    Vector largest = all(LOWEST), total = all(0.0f);
    for (int64_t position = 0; position < part.num_positions; ++position) {
        largest = greater(load(logits + position * tile.num_rows + row), largest);
    }
    const Vector minus_largest = product(largest, all(-1.0f));
    for (int64_t position = 0; position < part.num_positions; ++position) {
        float* of_row = logits + position * tile.num_rows + row;
        const Vector weight = exponential(sum(load(of_row), minus_largest));
        total = sum(total, weight);
        store(of_row, weight);
    }
    store(sums.largest + row, largest);
    store(sums.total + row, total);
}

// COMPONENTS · VECTORS sums in registers, each in the order of positions.
template <int COMPONENTS, int VECTORS>
inline void mix_components(const AttentionTile& tile, const AttentionPart& part, int64_t component, int64_t row,
                           const float* weights, float* mixed) {
    Vector sums[COMPONENTS][VECTORS];
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < VECTORS; ++v) sums[c][v] = all(0.0f);
    }
    for (int64_t position = 0; position < part.num_positions; ++position) {
        const float* values = part.values[position] + component;
        Vector weight[VECTORS];
        for (int v = 0; v < VECTORS; ++v) weight[v] = load(weights + position * tile.num_rows + row + v * WIDTH);
        for (int c = 0; c < COMPONENTS; ++c) {
            const Vector value = all(values[c]);
            for (int v = 0; v < VECTORS; ++v) sums[c][v] = fused(value, weight[v], sums[c][v]);
        }
    }
    for (int c = 0; c < COMPONENTS; ++c) {
        for (int v = 0; v < VECTORS; ++v) store(mixed + (component + c) * tile.num_rows + row + v * WIDTH, sums[c][v]);
    }
}

template <int COMPONENTS, int VECTORS>
inline void mix(const AttentionTile& tile, const AttentionPart& part, int64_t row, const float* weights, float* mixed) {
    int64_t component = 0;
    for (; component + COMPONENTS <= tile.head_dim; component += COMPONENTS) {
        mix_components<COMPONENTS, VECTORS>(tile, part, component, row, weights, mixed);
    }
    for (; component < tile.head_dim; ++component) {
        mix_components<1, VECTORS>(tile, part, component, row, weights, mixed);
    }
}

// Several registers of rows at a time where there are so many rows: then each key and value is read less often.
inline void attend(const AttentionTile& tile, const AttentionPart& part, float* weights, AttentionSums sums) {
    constexpr int MANY = REGISTERS >= 32 ? 4 : 2;  // registers of rows at a time
    constexpr int ACROSS = REGISTERS * 3 / 4 / MANY;
    int64_t row = 0;
    for (; row + MANY * WIDTH <= tile.num_rows; row += MANY * WIDTH) find_logits<ACROSS, MANY>(tile, part, row, weights);
    for (; row < tile.num_rows; row += WIDTH) find_logits<8, 1>(tile, part, row, weights);
    hide_unseen(tile, part, weights);
    for (row = 0; row < tile.num_rows; row += WIDTH) weigh(tile, part, row, weights, sums);
    row = 0;
    for (; row + MANY * WIDTH <= tile.num_rows; row += MANY * WIDTH) mix<4, MANY>(tile, part, row, weights, sums.mixed);
    for (; row < tile.num_rows; row += WIDTH) mix<8, 1>(tile, part, row, weights, sums.mixed);
}

inline void join(const AttentionTile& tile, AttentionSums sums, AttentionSums next) {
    for (int64_t row = 0; row < tile.num_rows; row += WIDTH) {
        const Vector before = load(sums.largest + row), of_next = load(next.largest + row);
        const Vector largest = greater(of_next, before), minus_largest = product(largest, all(-1.0f));
        const Vector fade = exponential(sum(before, minus_largest));
        const Vector share = exponential(sum(of_next, minus_largest));
        store(sums.largest + row, largest);
        const Vector faded = product(load(sums.total + row), fade);
        store(sums.total + row, fused(load(next.total + row), share, faded));
        for (int64_t component = 0; component < tile.head_dim; ++component) {
            float* of_sums = sums.mixed + component * tile.num_rows + row;
            const Vector of_part = load(next.mixed + component * tile.num_rows + row);
            store(of_sums, fused(of_part, share, product(load(of_sums), fade)));
        }
    }
}

}  // namespace
}  // namespace expertmesh
