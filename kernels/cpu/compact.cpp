// Makes a bfloat16 matrix compact (compact_rows.h), where it lies, and gives the memory that is left back.

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "compact_rows.h"

namespace expertmesh {
namespace {

constexpr int NUM_BYTES = 256;

// The layout is the contract with kernels/cpu/compact_kernels.py, which fills it in.
struct Compacting {
    int64_t num_rows, num_lines;
    uint16_t* weights;     // [num_rows, num_lines, LINE_VALUES] bfloat16; then CompactRows' lines
    uint64_t* has_others;  // as in CompactRows; zero before the survey
    uint8_t* upper_bytes;  // as in CompactRows
    uint8_t* others;       // as in CompactRows; the survey needs none
    uint8_t* aside;        // [rows_aside, num_lines, LINE_BYTES], to work in; the survey needs none
    int64_t rows_aside;
    int32_t num_threads;
};

// The places of compact_rows.h: where value i of a line stands among its lower bytes.
constexpr int place_of(int value) { return value % 32 / 8 * 16 + value / 32 * 8 + value % 8; }

const uint16_t* line_at(const Compacting& work, int64_t row, int64_t line) {
    return work.weights + (row * work.num_lines + line) * LINE_VALUES;
}

bool is_set(const Compacting& work, int64_t row, int64_t line) {
    return work.has_others[row * words_of(work.num_lines) + line / 64] >> line % 64 & 1;
}

// -> how often each upper byte stands in the matrix
std::vector<int64_t> count_upper_bytes(const Compacting& work) {
    std::vector<int64_t> total(NUM_BYTES);
#pragma omp parallel num_threads(work.num_threads)
    {
        std::vector<int64_t> counts(NUM_BYTES);
        const int64_t num_values = work.num_lines * LINE_VALUES;
#pragma omp for
        for (int64_t row = 0; row < work.num_rows; ++row) {
            const uint16_t* values = line_at(work, row, 0);
            for (int64_t i = 0; i < num_values; ++i) ++counts[values[i] >> 8];
        }
#pragma omp critical
        for (int byte = 0; byte < NUM_BYTES; ++byte) total[byte] += counts[byte];
    }
    return total;
}

void choose_upper_bytes(const Compacting& work) {
    const std::vector<int64_t> counts = count_upper_bytes(work);
    std::vector<int> bytes(NUM_BYTES);
    std::iota(bytes.begin(), bytes.end(), 0);
    std::stable_sort(bytes.begin(), bytes.end(), [&](int a, int b) { return counts[a] > counts[b]; });
    std::copy_n(bytes.begin(), NUM_UPPER_BYTES, work.upper_bytes);
}

struct Names {
    uint8_t of_byte[NUM_BYTES];  // NUM_UPPER_BYTES where it has none
    explicit Names(const uint8_t* upper_bytes) {
        std::fill_n(of_byte, NUM_BYTES, NUM_UPPER_BYTES);
        for (int name = 0; name < NUM_UPPER_BYTES; ++name) of_byte[upper_bytes[name]] = static_cast<uint8_t>(name);
    }
};

// -> how many lines have other upper bytes than those that were chosen
int64_t mark_lines(const Compacting& work) {
    const Names names(work.upper_bytes);
    int64_t num_marked = 0;
#pragma omp parallel for num_threads(work.num_threads) reduction(+ : num_marked)
    for (int64_t row = 0; row < work.num_rows; ++row) {
        for (int64_t line = 0; line < work.num_lines; ++line) {
            const uint16_t* values = line_at(work, row, line);
            uint8_t any = 0;
            for (int i = 0; i < LINE_VALUES; ++i) any |= names.of_byte[values[i] >> 8];
            if (any < NUM_UPPER_BYTES) continue;
            work.has_others[row * words_of(work.num_lines) + line / 64] |= uint64_t{1} << line % 64;
            ++num_marked;
        }
    }
    return num_marked;
}

class Packing {
   public:
    explicit Packing(const Compacting& work) : work_(work), names_(work.upper_bytes), first_other_(work.num_rows + 1) {
        for (int64_t row = 0; row < work.num_rows; ++row) {
            first_other_[row + 1] = first_other_[row];
            for (int64_t line = 0; line < work.num_lines; ++line) first_other_[row + 1] += is_set(work, row, line);
        }
    }

    // A batch of compact rows ends before the batch behind it begins: threads pack it aside, and one copy moves it.
    void run() const {
        const int64_t row_bytes = work_.num_lines * LINE_BYTES;
        auto* lines = reinterpret_cast<uint8_t*>(work_.weights);
        for (int64_t first = 0; first < work_.num_rows; first += work_.rows_aside) {
            const int64_t count = std::min(work_.rows_aside, work_.num_rows - first);
#pragma omp parallel for num_threads(work_.num_threads)
            for (int64_t i = 0; i < count; ++i) pack_row(first + i, work_.aside + i * row_bytes);
            std::memcpy(lines + first * row_bytes, work_.aside, count * row_bytes);
        }
    }

   private:
    void pack_row(int64_t row, uint8_t* to) const {
        int64_t other = first_other_[row];
        for (int64_t line = 0; line < work_.num_lines; ++line) {
            uint8_t upper[LINE_VALUES];
            uint8_t* bytes = to + line * LINE_BYTES;
            const uint16_t* values = line_at(work_, row, line);
            for (int i = 0; i < LINE_VALUES; ++i) {
                bytes[place_of(i)] = static_cast<uint8_t>(values[i]);
                upper[place_of(i)] = static_cast<uint8_t>(values[i] >> 8);
            }
            if (is_set(work_, row, line)) {
                std::memcpy(work_.others + other * LINE_VALUES, upper, LINE_VALUES);
                const auto index = static_cast<uint32_t>(other++);
                std::memset(bytes + LINE_VALUES, 0, LINE_BYTES - LINE_VALUES);
                std::memcpy(bytes + LINE_VALUES, &index, sizeof index);
            } else {
                name(upper, bytes + LINE_VALUES);
            }
        }
    }

    void name(const uint8_t* upper, uint8_t* to) const {
        for (int i = 0; i < LINE_VALUES / 2; ++i) {
            to[i] = names_.of_byte[upper[i]] | names_.of_byte[upper[LINE_VALUES / 2 + i]] << 4;
        }
    }

    const Compacting& work_;
    Names names_;
    std::vector<int64_t> first_other_;  // [num_rows + 1]
};

// Whole pages behind what the matrix fills now.
void give_back(const Compacting& work) {
#if defined(__linux__)
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto start = reinterpret_cast<uintptr_t>(work.weights);
    const int64_t num_lines = work.num_rows * work.num_lines;
    const uintptr_t first = (start + num_lines * LINE_BYTES + page - 1) / page * page;
    const uintptr_t past = (start + num_lines * LINE_VALUES * sizeof(uint16_t)) / page * page;
    if (first < past) madvise(reinterpret_cast<void*>(first), past - first, MADV_DONTNEED);
#else
    (void)work;
#endif
}

}  // namespace
}  // namespace expertmesh

// Chooses the upper bytes and marks the lines that have others -> how many they are.
extern "C" __attribute__((visibility("default"))) int64_t expertmesh_survey(const expertmesh::Compacting* work) {
    expertmesh::choose_upper_bytes(*work);
    return expertmesh::mark_lines(*work);
}

// After the survey.
extern "C" __attribute__((visibility("default"))) void expertmesh_compact(const expertmesh::Compacting* work) {
    expertmesh::Packing(*work).run();
    expertmesh::give_back(*work);
}
