// The checksum of a data frame (docs/frames.md): CRC-32 as zlib computes it, and sums in place of long sections.

#pragma once

#include <cstdint>

namespace expertmesh {

// `value` is the CRC of what came before, 0 at the beginning.
uint32_t crc32(uint32_t value, const uint8_t* data, int64_t length);

// The same of a section; one of 16,384 bytes or more is added up first, block by block.
uint32_t crc32_of_section(uint32_t value, const uint8_t* section, int64_t length);

}  // namespace expertmesh
