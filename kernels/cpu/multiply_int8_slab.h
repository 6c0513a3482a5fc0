// Many rows of int8 times a tile: included by instruction sets that gain by it, after multiply_int8_tile.h.
//
// A slab is as many bands as a square of sums in registers takes. A stretch of its blocks is decoded once, into what
// stays in the nearest cache, and all rows meet it there, a few at a time; their sums wait in the result.
//
// What an instruction set brings for it, beside what quads_plain.h explains: Dots are dot products that have begun, to
// which four products each are added, and which are widened after every fourth time, before 16 bits overflow.

#pragma once

#include "int8_tile.h"
#include "lane_order.h"

namespace expertmesh {
namespace {

constexpr int64_t STRETCH = BLOCKS_PER_LINE;  // blocks
constexpr int64_t SLAB_OUTS = SLAB_BANDS * WIDTH;

// Scales: Floats; or Ints, what is added to the exponents of the rows' scales where all of both are moderate.
template <typename Scales>
struct DecodedStretch {
    Ints quads[STRETCH][8][SLAB_BANDS];
    Scales scales[STRETCH][SLAB_BANDS];
    int64_t num_blocks;
};

inline void read(const uint8_t* bytes, Floats& scales) { scales = to_scales(bytes); }

inline void read(const uint8_t* bytes, Ints& shifts) { shifts = to_shifts(bytes); }

// Unrolled, so that what has an index by it stays in registers.
template <int ROWS, typename Step>
[[gnu::always_inline]] inline void each_sum(const Step& step) {
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) {
#pragma GCC unroll 8
        for (int band = 0; band < SLAB_BANDS; ++band) step(row, band);
    }
}

// The dot products of a row are a chain: those of all rows and bands go side by side.
template <int ROWS, typename Scales>
[[gnu::always_inline]] inline void add_slab_block(const Ints (&quads)[8][SLAB_BANDS], const Scales* scales,
                                                  const Int8Block* const* x, Floats (&sums)[ROWS][SLAB_BANDS]) {
    Dots dots[ROWS][SLAB_BANDS];
    each_sum<ROWS>([&](int row, int band) { dots[row][band] = begin(x[row]->start); });
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
        each_sum<ROWS>([&](int row, int band) {
            dots[row][band] = add_four(dots[row][band], quads[i][band], four_of(x[row]->values + 4 * i));
        });
        if (i % 4 == 3) each_sum<ROWS>([&](int row, int band) { dots[row][band] = widened(dots[row][band]); });
    }
    each_sum<ROWS>([&](int row, int band) {
        sums[row][band] = add_scaled(total(dots[row][band]), scales[band], x[row]->scale, sums[row][band]);
    });
}

template <int ROWS, typename Scales>
[[gnu::noinline]] void add_stretch(const DecodedStretch<Scales>& stretch, const Int8Row* rows, int64_t first,
                                   float* result) {
    const auto place = [=](int row, int band) { return result + row * MAX_TILE_OUTS + band * WIDTH; };
    Floats sums[ROWS][SLAB_BANDS];
    each_sum<ROWS>([&](int row, int band) { sums[row][band] = load(place(row, band)); });
    for (int64_t block = 0; block < stretch.num_blocks; ++block) {
        const Int8Block* x[ROWS];
        for (int row = 0; row < ROWS; ++row) x[row] = rows[row].blocks + first + block;
        add_slab_block<ROWS>(stretch.quads[block], stretch.scales[block], x, sums);
    }
    each_sum<ROWS>([&](int row, int band) { store(place(row, band), sums[row][band]); });
}

template <int ROWS, typename Scales>
void add_at_once(int64_t num_rows, const DecodedStretch<Scales>& stretch, const Int8Row* rows, int64_t first,
                 float* result) {
    if (num_rows == ROWS) return add_stretch<ROWS>(stretch, rows, first, result);
    if constexpr (ROWS > 1) add_at_once<ROWS - 1>(num_rows, stretch, rows, first, result);
}

// SLAB_OUTS matrix rows of a tile.
template <typename Scales>
class Slab {
   public:
    explicit Slab(const Band& first_band) : first_band_(first_band) {}

    void multiply(const Int8Row* rows, int64_t num_rows, float* result) {
        for (int64_t row = 0; row < num_rows; ++row) {
            for (int64_t out = 0; out < SLAB_OUTS; out += WIDTH) store(result + row * MAX_TILE_OUTS + out, zero());
        }
        for (int64_t first = 0; first < first_band_.num_blocks; first += STRETCH) {
            decode_stretch(first);
            add_rows(rows, num_rows, first, result);
        }
    }

   private:
    void decode_stretch(int64_t first) {
        if (first % BLOCKS_AT_ONCE == 0) turn_scales(first);
        const int64_t left = first_band_.num_blocks - first;
        stretch_.num_blocks = left < STRETCH ? left : STRETCH;
        for (int64_t band = 0; band < SLAB_BANDS; ++band) decode_band(band, first);
    }

    void turn_scales(int64_t first) {
        const int64_t left = first_band_.num_blocks - first;
        const int64_t count = left < BLOCKS_AT_ONCE ? left : BLOCKS_AT_ONCE;
        for (int64_t band = 0; band < SLAB_BANDS; ++band) {
            turn(first_band_.at(band).scales + first, first_band_.num_blocks, count, turned_[band][0]);
        }
    }

    void decode_band(int64_t index, int64_t first) {
        const Band band = first_band_.at(index);
        for (int64_t i = 0; i < stretch_.num_blocks; ++i) {
            const int64_t block = first + i;
            band.prefetch(block, SLAB_OUTS);
            const Quads quads = decode(band.blocks + block * BLOCK_BYTES, band.num_blocks * BLOCK_BYTES);
            for (int at = 0; at < 8; ++at) stretch_.quads[i][at][index] = quads.quad[at];
            read(turned_[index][block % BLOCKS_AT_ONCE], stretch_.scales[i][index]);
        }
    }

    // In turns of nearly the same size.
    void add_rows(const Int8Row* rows, int64_t num_rows, int64_t first, float* result) const {
        int64_t turns = (num_rows + SLAB_ROWS - 1) / SLAB_ROWS;
        for (int64_t row = 0; turns > 0; --turns) {
            const int64_t count = (num_rows - row) / turns;
            add_at_once<SLAB_ROWS>(count, stretch_, rows + row, first, result + row * MAX_TILE_OUTS);
            row += count;
        }
    }

    const Band first_band_;
    alignas(64) uint8_t turned_[SLAB_BANDS][BLOCKS_AT_ONCE][WIDTH];  // scales
    DecodedStretch<Scales> stretch_;
};

inline bool are_moderate(const uint8_t* scales, int64_t count) {
    uint8_t least = 255, most = 0;
    for (int64_t i = 0; i < count; ++i) {
        least = scales[i] < least ? scales[i] : least;
        most = scales[i] > most ? scales[i] : most;
    }
    return is_moderate(least) && is_moderate(most);
}

inline bool are_moderate(const Int8Row* rows, int64_t num_rows) {
    bool all = true;
    for (int64_t row = 0; row < num_rows; ++row) all = all && rows[row].is_moderate;
    return all;
}

template <typename Scales>
void multiply_slabs(const PackedTile& tile, const Int8Row* rows, int64_t num_rows, float* result) {
    for (int64_t out = 0; out < tile.num_outs; out += SLAB_OUTS) {
        Slab<Scales>(band_at(tile, out)).multiply(rows, num_rows, result + out);
    }
}

// Few rows, and a tile that is no whole number of slabs, go as multiply_int8_tile.h has it.
inline void multiply_int8_slabs(const PackedTile& tile, const Int8Row* rows, int64_t num_rows, float* result) {
    const bool are_slabs = num_rows >= ROWS_WORTH_A_SLAB && tile.num_outs % SLAB_OUTS == 0;
    if (!are_slabs) return multiply_int8_tile(tile, rows, num_rows, result);
    if (are_moderate(rows, num_rows) && are_moderate(tile.scales, tile.num_outs * tile.num_blocks)) {
        return multiply_slabs<Ints>(tile, rows, num_rows, result);
    }
    multiply_slabs<Floats>(tile, rows, num_rows, result);
}

}  // namespace
}  // namespace expertmesh
