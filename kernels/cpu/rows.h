// The activations of a call, in the form that its kernel takes: what a tile is multiplied with.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "grouped_matmul.h"
#include "tile.h"

namespace expertmesh {

constexpr int64_t MAX_PASS_ROWS = 64;  // so that a pass's sums stay near

class Rows {
   public:
    virtual ~Rows() = default;
    virtual bool has_memory() const = 0;

    // Before any tile meets it, each row once, by whichever thread.
    virtual void prepare(int64_t row) = 0;

    // indices: of num_rows rows, MAX_PASS_ROWS at most -> sums [num_rows, MAX_TILE_OUTS].
    virtual void multiply(const PackedTile& tile, const int64_t* indices, int64_t num_rows, float* sums) const = 0;
};

// As the work's instruction set and kind of activations want them.
std::unique_ptr<Rows> make_rows(const GroupedMatmul& work);

// Values that nothing has been written to yet, on a cache line of their own.
template <typename Value>
class Unwritten {
   public:
    explicit Unwritten(int64_t count)
        : values_(static_cast<Value*>(std::aligned_alloc(64, (count * sizeof(Value) + 64) / 64 * 64))) {}

    Value* get() const { return values_.get(); }

   private:
    struct Free {
        void operator()(Value* values) const { std::free(values); }
    };

    std::unique_ptr<Value[], Free> values_;
};

}  // namespace expertmesh
