// Dense layers with AVX-512 F, BW and BF16, for rows in bfloat16; the body: multiply_dense.h.

#include "pairs_avx512.h"

#include "compact_lines.h"

namespace expertmesh {

#if defined(__AVX512BF16__)

namespace {

// What the body calls for rows of this type: one instruction multiplies pairs as they stand. x: [2, ROWS, DENSE_BLOCK].
template <int OUTS, int ROWS>
inline void add_blocks(Square<OUTS, ROWS>& square, const TwoBlocks (&blocks)[OUTS], const uint16_t* x, int) {
    const auto add = [&](Pairs TwoBlocks::*block, const uint16_t* rows) {
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) {
            const auto values = reinterpret_cast<__m512bh>(_mm512_loadu_si512(rows + row * DENSE_BLOCK));
            for (int out = 0; out < OUTS; ++out) {
                Vector& sum = square.sums[row * OUTS + out][0];
                sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(blocks[out].*block), values);
            }
        }
    };
    add(&TwoBlocks::first, x);
    add(&TwoBlocks::second, x + ROWS * DENSE_BLOCK);
}

}  // namespace

const MultiplyDense<StoredRows, uint16_t> STORED_AVX512BF16{multiply_dense<StoredLines>, ROWS_TOGETHER};
const MultiplyDense<CompactRows, uint16_t> COMPACT_AVX512BF16{multiply_dense<CompactLines>, ROWS_TOGETHER};

#else

const MultiplyDense<StoredRows, uint16_t> STORED_AVX512BF16{nullptr, 0};
const MultiplyDense<CompactRows, uint16_t> COMPACT_AVX512BF16{nullptr, 0};

#endif

}  // namespace expertmesh
