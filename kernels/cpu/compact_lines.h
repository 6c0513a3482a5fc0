// The lines of a compact matrix, unpacked in registers: included after an instruction set's pairs_*.h.

#pragma once

#include <cstring>

#include "multiply_dense.h"

namespace expertmesh {
namespace {

static_assert(LINE_VALUES == DENSE_LINE, "both kinds of rows go through the inputs in one step");

constexpr int64_t OTHERS_AHEAD = 8;  // to prefetch

class CompactLines {
   public:
    static constexpr int64_t BYTES_OF_LINE = LINE_BYTES;

    explicit CompactLines(const CompactRows& rows) : rows_(rows), upper_bytes_(load_upper_bytes(rows.upper_bytes)) {}

    inline const uint8_t* at(int64_t out, int64_t line) const {
        return rows_.lines + (out * rows_.num_lines + line) * LINE_BYTES;
    }

    template <int OUTS>
    inline uint64_t unusual(int64_t out, int64_t word) const {
        uint64_t have_others = 0;
        for (int o = 0; o < OUTS; ++o) have_others |= has_others(out + o, word);
        return have_others;
    }

    inline TwoBlocks blocks(int64_t out, int64_t line, int part) const {
        return compact_blocks(at(out, line), upper_bytes_, part);
    }

    inline TwoBlocks unusual_blocks(int64_t out, int64_t line, int part) const {
        if ((has_others(out, line / 64) >> line % 64 & 1) == 0) return blocks(out, line, part);
        const uint8_t* bytes = at(out, line);
        return blocks_with_others(bytes, others_of(bytes), part);
    }

    int64_t num_lines() const { return rows_.num_lines; }

   private:
    inline uint64_t has_others(int64_t out, int64_t word) const {
        return rows_.has_others[out * words_of(rows_.num_lines) + word];
    }

    // Others stand in the order of their lines, so those behind will be wanted soon.
    inline const uint8_t* others_of(const uint8_t* line) const {
        uint32_t index;
        std::memcpy(&index, line + LINE_VALUES, sizeof index);
        const uint8_t* others = rows_.others + index * LINE_VALUES;
        __builtin_prefetch(others + OTHERS_AHEAD * LINE_VALUES);
        return others;
    }

    const CompactRows& rows_;
    UpperBytes upper_bytes_;
};

}  // namespace
}  // namespace expertmesh
