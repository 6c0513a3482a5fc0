// The lines of a compact matrix, unpacked in registers: included after an instruction set's pairs_*.h.

#pragma once

#include <cstring>

#include "multiply_dense.h"

namespace expertmesh {
namespace {

static_assert(LINE_VALUES == DENSE_LINE, "both kinds of rows go through the inputs in one step");

class CompactLines {
   public:
    explicit CompactLines(const CompactRows& rows) : rows_(rows), upper_bytes_(load_upper_bytes(rows.upper_bytes)) {}

    inline void prefetch(int64_t out, int64_t line) const {
        const uint8_t* behind = at(out + OUTS_AHEAD, line);
        __builtin_prefetch(behind);
        __builtin_prefetch(behind + 64);
    }

    inline TwoBlocks blocks(int64_t out, int64_t line, int part) const {
        const uint8_t* bytes = at(out, line);
        const uint64_t word = rows_.has_others[out * words_of(rows_.num_lines) + line / 64];
        if (__builtin_expect(word >> line % 64 & 1, 0)) return blocks_with_others(bytes, others_of(bytes), part);
        return compact_blocks(bytes, upper_bytes_, part);
    }

    int64_t num_lines() const { return rows_.num_lines; }

   private:
    inline const uint8_t* at(int64_t out, int64_t line) const {
        return rows_.lines + (out * rows_.num_lines + line) * LINE_BYTES;
    }

    inline const uint8_t* others_of(const uint8_t* line) const {
        uint32_t index;
        std::memcpy(&index, line + LINE_VALUES, sizeof index);
        return rows_.others + index * LINE_VALUES;
    }

    const CompactRows& rows_;
    UpperBytes upper_bytes_;
};

}  // namespace
}  // namespace expertmesh
