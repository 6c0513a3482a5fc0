// A bfloat16 matrix in twelve bits a value, every bit kept.
//
// A value's upper byte is its sign and seven bits of its exponent. Sixteen such bytes cover nearly all values of a
// matrix that was trained, so four bits name one of them; the lower byte stays as it is. A line is 64 values: 64 lower
// bytes, then 32 bytes of names. Where a line has a value with another upper byte, its 64 upper bytes are kept aside,
// and the first of its names say where.
//
// Bytes stand so that interleaving the halves of each 16 of them, lower and upper, gives pairs in order: at 16 · q + j
// stands value 8 · q + j of the line's first 32, at 16 · q + 8 + j that of its second. Of names, byte i has that of
// place i in its lower half and that of place 32 + i in its upper.

#pragma once

#include <cstdint>

namespace expertmesh {

constexpr int64_t LINE_VALUES = 64, LINE_BYTES = 96;
constexpr int NUM_UPPER_BYTES = 16;

// Consecutive rows of such a matrix.
struct CompactRows {
    const uint8_t* lines;        // [rows, num_lines, LINE_BYTES]
    const uint64_t* has_others;  // [rows, words_of(num_lines)]: a bit for each line
    const uint8_t* upper_bytes;  // [NUM_UPPER_BYTES]
    const uint8_t* others;       // [lines that have others, LINE_VALUES]: upper bytes
    int64_t num_lines;
};

// Of each file alone, as in scalar_type.h.
namespace {

constexpr int64_t words_of(int64_t num_lines) { return (num_lines + 63) / 64; }

}  // namespace

}  // namespace expertmesh
