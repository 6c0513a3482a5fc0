// CRC-32 by tables, eight bytes at a time, and on x86 by products without carries, 64 bytes at a time.

#include "frame_checksum.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace expertmesh {
namespace {

constexpr uint32_t POLYNOMIAL = 0xEDB88320;  // of CRC-32, its lowest power in the highest bit
constexpr int64_t SUMMED_BLOCK = 4096;
constexpr int64_t LEAST_SUMMED = 16384;

// entry[n][byte]: what `byte` does to the CRC when n zeros follow it.
struct Tables {
    uint32_t entry[8][256];

    constexpr Tables() : entry() {
        for (uint32_t byte = 0; byte < 256; ++byte) {
            uint32_t value = byte;
            for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
            entry[0][byte] = value;
        }
        for (int zeros = 1; zeros < 8; ++zeros) {
            for (uint32_t byte = 0; byte < 256; ++byte) {
                const uint32_t before = entry[zeros - 1][byte];
                entry[zeros][byte] = before >> 8 ^ entry[0][before & 0xFF];
            }
        }
    }
};

constexpr Tables TABLES;

// On the register itself, which is the complement of a CRC.
uint32_t by_tables(uint32_t state, const uint8_t* data, int64_t length) {
    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;
        std::memcpy(&word, data, sizeof word);
        word ^= state;
        state = 0;
        for (int byte = 0; byte < 8; ++byte) state ^= TABLES.entry[7 - byte][word >> 8 * byte & 0xFF];
    }
    for (; length > 0; ++data, --length) state = state >> 8 ^ TABLES.entry[0][(state ^ *data) & 0xFF];
    return state;
}

#if defined(__x86_64__)

#define WITH_PRODUCTS __attribute__((target("pclmul,sse4.1")))

// Moves 128 bits on by the distance that `powers` stand for, and adds what lies there.
WITH_PRODUCTS inline __m128i moved_on(__m128i bits, __m128i powers, __m128i there) {
    const __m128i low = _mm_clmulepi64_si128(bits, powers, 0x00);
    const __m128i high = _mm_clmulepi64_si128(bits, powers, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), there);
}

// Powers of x modulo the polynomial: 512 + 32 and 512 - 32, then 128 + 32 and 128 - 32, in reversed bits.
WITH_PRODUCTS uint32_t by_products(uint32_t state, const uint8_t* data, int64_t length) {
    const __m128i by_64_bytes = _mm_set_epi64x(0x1C6E41596, 0x154442BD4);
    const __m128i by_16_bytes = _mm_set_epi64x(0x0CCAA009E, 0x1751997D0);
    const auto load = [](const uint8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
    __m128i first = _mm_xor_si128(load(data), _mm_cvtsi32_si128(static_cast<int>(state)));
    __m128i second = load(data + 16), third = load(data + 32), fourth = load(data + 48);
    for (data += 64, length -= 64; length >= 64; data += 64, length -= 64) {
        first = moved_on(first, by_64_bytes, load(data));
        second = moved_on(second, by_64_bytes, load(data + 16));
        third = moved_on(third, by_64_bytes, load(data + 32));
        fourth = moved_on(fourth, by_64_bytes, load(data + 48));
    }
    __m128i all = moved_on(first, by_16_bytes, second);
    all = moved_on(moved_on(all, by_16_bytes, third), by_16_bytes, fourth);
    uint8_t last[16];  // whose CRC is that of all so far
    _mm_storeu_si128(reinterpret_cast<__m128i*>(last), all);
    return by_tables(by_tables(0, last, sizeof last), data, length);
}

bool has_products() { return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"); }

#endif

}  // namespace

uint32_t crc32(uint32_t value, const uint8_t* data, int64_t length) {
#if defined(__x86_64__)
    if (length >= 64 && has_products()) return ~by_products(~value, data, length);
#endif
    return ~by_tables(~value, data, length);
}

uint32_t crc32_of_section(uint32_t value, const uint8_t* section, int64_t length) {
    if (length < LEAST_SUMMED) return crc32(value, section, length);
    uint64_t sums[SUMMED_BLOCK / 8] = {};
    const uint8_t* const end = section + length;
    for (; end - section >= SUMMED_BLOCK; section += SUMMED_BLOCK) {
        for (int64_t index = 0; index < SUMMED_BLOCK / 8; ++index) {
            uint64_t word;
            std::memcpy(&word, section + 8 * index, sizeof word);
            sums[index] += word;
        }
    }
    value = crc32(value, reinterpret_cast<const uint8_t*>(sums), sizeof sums);
    return crc32(value, section, end - section);
}

}  // namespace expertmesh
