// y = x Wᵀ + b, W in bfloat16 of sixteen or twelve bits a value: tiles of W over threads.

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#endif

#include "compact_rows.h"
#include "dense_tile.h"
#include "grouped_matmul.h"
#include "paired_rows.h"
#include "tile_runs.h"
#include "useful_threads.h"

namespace expertmesh {
namespace {

constexpr int64_t ROWS_WORTH_THREADS = 16;  // to bring into order: some microseconds each

// Of a tile: small ones give more threads work; with several groups of rows large ones read each group fewer times.
constexpr int64_t OUTS_FOR_ONE_GROUP = 32, OUTS_FOR_MORE = MOST_DENSE_OUTS;

// The layout is the contract with kernels/cpu/dense_kernels.py, which fills it in.
struct DenseMatmul {
    int64_t num_rows, width, num_outs;
    const void* x;            // [num_rows, width], type
    const uint16_t* weights;  // [num_outs, width] bfloat16, unless the matrix is compact
    CompactRows compact;      // its lines are null unless it is
    const void* bias;         // [num_outs], bias_type, or null
    void* result;             // [num_rows, num_outs], type
    ScalarType type, bias_type;
    InstructionSet instructions;
    int32_t rounds_rows;  // to bfloat16
    int32_t num_threads;
};

// The matrix rows from `first` on.
StoredRows rows_from(const StoredRows& rows, int64_t first) { return {rows.weights + first * rows.width, rows.width}; }

CompactRows rows_from(const CompactRows& rows, int64_t first) {
    CompactRows from = rows;
    from.lines += first * rows.num_lines * LINE_BYTES;
    from.has_others += first * words_of(rows.num_lines);
    return from;
}

// While rows are rounded, what is too small for a normal number is zero, in factors and sums: dot products of bfloat16
// know it no other way. Elsewhere than on x86 such numbers are kept.
class SubnormalsAreZero {
   public:
#if defined(__x86_64__)
    explicit SubnormalsAreZero(bool they_are) : before_(_mm_getcsr()) {
        if (they_are) _mm_setcsr(before_ | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
    }
    ~SubnormalsAreZero() { _mm_setcsr(before_); }

   private:
    static constexpr unsigned FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040;
    unsigned before_;
#else
    explicit SubnormalsAreZero(bool) {}
#endif
};

// Every row of activations against one tile.
template <typename Rows, typename Value>
class TileWork {
   public:
    TileWork(const DenseMatmul& work, const Rows& rows, const PairedRows<Value>& x, MultiplyRows<Rows, Value> multiply)
        : work_(work), rows_(rows), x_(x), multiply_(multiply),
          tile_outs_(x.num_groups() > 1 ? OUTS_FOR_MORE : OUTS_FOR_ONE_GROUP) {}

    int64_t num_tiles() const { return (work_.num_outs + tile_outs_ - 1) / tile_outs_; }

    void run(int64_t tile) const {
        const SubnormalsAreZero meanwhile(work_.rounds_rows);
        const int64_t first_out = tile * tile_outs_;
        const int64_t num_outs = std::min(tile_outs_, work_.num_outs - first_out);
        const Rows rows = rows_from(rows_, first_out);
        float bias[MOST_DENSE_OUTS] = {};
        for (int64_t out = 0; work_.bias != nullptr && out < num_outs; ++out) {
            bias[out] = read_scalar(work_.bias, work_.bias_type, first_out + out);
        }
        for (int64_t group = 0; group < x_.num_groups(); ++group) {
            float sums[MOST_ROWS_TOGETHER * MOST_DENSE_OUTS];
            const int64_t num_rows = x_.rows_of(group);
            const int64_t start = x_.first_row(group) * work_.num_outs + first_out;
            for (int64_t row = 0; row < num_rows; ++row) {
                will_write_scalars(work_.result, work_.type, start + row * work_.num_outs, num_outs);
            }
            multiply_(rows, num_outs, x_.values(group), num_rows, sums);
            for (int64_t row = 0; row < num_rows; ++row) {
                float* of_row = sums + row * MOST_DENSE_OUTS;
                for (int64_t out = 0; out < num_outs; ++out) of_row[out] += bias[out];
                write_scalars(work_.result, work_.type, start + row * work_.num_outs, of_row, num_outs);
            }
        }
    }

   private:
    const DenseMatmul& work_;
    const Rows& rows_;
    const PairedRows<Value>& x_;
    MultiplyRows<Rows, Value> multiply_;
    int64_t tile_outs_;
};

template <typename Rows, typename Value>
Status run(const DenseMatmul& work, const Rows& rows, const MultiplyDense<Rows, Value>& how) {
    PairedRows<Value> x(work.x, work.type, work.rounds_rows, work.num_rows, work.width, how.most_together);
    if (!x.has_memory()) return Status::out_of_memory;
    const TileWork<Rows, Value> tile_work(work, rows, x, how.multiply);
    const int64_t num_multiplications = work.num_rows * work.num_outs * work.width;
    const int num_threads = useful_threads(num_multiplications, MULTIPLICATIONS_OF_A_THREAD, work.num_threads);
#pragma omp parallel for num_threads(num_threads) if (work.num_rows >= ROWS_WORTH_THREADS)
    for (int64_t group = 0; group < x.num_groups(); ++group) x.bring(group);
    for_tiles(tile_work.num_tiles(), num_threads, [&](int64_t tile) { tile_work.run(tile); });
    return Status::done;
}

#if defined(__x86_64__)
// Leaf 7, subleaf 1, bit 5 of EAX: older compilers have no name for it. Asked once: virtual machines take their time.
bool has_bfloat16_dots() {
    static const bool has = [] {
        unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
        const bool is_built = STORED_AVX512BF16.multiply != nullptr;
        return is_built && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 5 & 1) != 0;
    }();
    return has;
}

// With AVX2 or better, whatever the form of the matrix.
template <typename Rows>
Status run_wide(const DenseMatmul& work, const Rows& rows, const MultiplyDense<Rows, float>& avx2,
                const MultiplyDense<Rows, float>& avx512, const MultiplyDense<Rows, uint16_t>& dots) {
    if (work.instructions == InstructionSet::avx2) return run(work, rows, avx2);
    return work.rounds_rows && has_bfloat16_dots() ? run(work, rows, dots) : run(work, rows, avx512);
}
#endif

Status run_stored(const DenseMatmul& work) {
    const StoredRows rows{work.weights, work.width};
#if defined(__x86_64__)
    if (work.instructions != InstructionSet::plain) {
        return run_wide(work, rows, STORED_AVX2, STORED_AVX512, STORED_AVX512BF16);
    }
#endif
    return run(work, rows, STORED_PLAIN);
}

Status run_compact(const DenseMatmul& work) {
#if defined(__x86_64__)
    if (work.instructions != InstructionSet::plain) {
        return run_wide(work, work.compact, COMPACT_AVX2, COMPACT_AVX512, COMPACT_AVX512BF16);
    }
#endif
    return Status::not_here;
}

}  // namespace
}  // namespace expertmesh

extern "C" __attribute__((visibility("default"))) expertmesh::Status expertmesh_dense(
    const expertmesh::DenseMatmul* work) {
    return work->compact.lines == nullptr ? expertmesh::run_stored(*work) : expertmesh::run_compact(*work);
}
