// combine with AVX-512 F and BW, sixteen values at a time from the first slot to the last; model: combine.cpp.

#include <immintrin.h>

#include "combine_rows.h"

namespace expertmesh {
namespace {

constexpr int64_t WIDTH = 16;

template <ScalarType type>
__m512 read(const void* row, int64_t start) {
    if (type == ScalarType::float32) return _mm512_loadu_ps(static_cast<const float*>(row) + start);
    const auto* from = reinterpret_cast<const __m256i*>(static_cast<const uint16_t*>(row) + start);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from)), 16));
}

// As to_bfloat16, value by value.
__m256i to_bfloat16s(__m512 values) {
    const __m512i bits = _mm512_castps_si512(values);
    const __m512i is_odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(is_odd, _mm512_set1_epi32(0x7FFF)));
    const __mmask16 is_no_number = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
    const __m512i rounded =
        _mm512_mask_mov_epi32(_mm512_srli_epi32(sum, 16), is_no_number, _mm512_set1_epi32(0x7FC0));
    return _mm512_cvtepi32_epi16(rounded);
}

template <ScalarType type>
void write(void* result, int64_t start, __m512 values) {
    if (type == ScalarType::float32) {
        _mm512_storeu_ps(static_cast<float*>(result) + start, values);
    } else {
        auto* to = reinterpret_cast<__m256i*>(static_cast<uint16_t*>(result) + start);
        _mm256_storeu_si256(to, to_bfloat16s(values));
    }
}

template <ScalarType type>
void combine(const RowSums& work, int64_t token) {
    const void* const* rows = work.rows + token * work.top_k;
    const int64_t out = token * work.hidden;
    int64_t i = 0;
    for (; i + WIDTH <= work.hidden; i += WIDTH) {
        __m512 sum = read<type>(rows[0], i);
        for (int64_t slot = 1; slot < work.top_k; ++slot) sum = _mm512_add_ps(sum, read<type>(rows[slot], i));
        write<type>(work.result, out + i, sum);
    }
    for (; i < work.hidden; ++i) {
        float sum = read_scalar(rows[0], type, i);
        for (int64_t slot = 1; slot < work.top_k; ++slot) sum += read_scalar(rows[slot], type, i);
        write_scalar(work.result, type, out + i, sum);
    }
}

}  // namespace

void combine_avx512(const RowSums& work, int64_t token) {
    if (work.type == ScalarType::float32) {
        combine<ScalarType::float32>(work, token);
    } else {
        combine<ScalarType::bfloat16>(work, token);
    }
}

}  // namespace expertmesh
