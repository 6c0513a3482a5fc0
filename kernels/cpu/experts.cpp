// The two halves of the experts: what is called from Python (kernels/cpu/library.py).

#include "grouped_matmul.h"
#include "rows.h"
#include "swiglu.h"
#include "tile.h"

namespace expertmesh {
namespace {

// Writes a row a place. Gate and up rows are interleaved, and a tile begins with a gate.
class GateUp : public Epilogue {
   public:
    GateUp(InstructionSet instructions, float limit)
        : swiglu_(FORM_OF(instructions, swiglu_plain, swiglu_avx2, swiglu_avx512)), limit_(limit) {}

    ResultPart result_of(const GroupedMatmul& work, int64_t place, int64_t first_out, int64_t num_outs) const override {
        return {place * (work.num_outs / 2) + first_out / 2, num_outs / 2};
    }

    // All places in one go, which leaves few pairs without a register full of them.
    void write(const GroupedMatmul& work, const PlaceSums& places) const override {
        const int64_t num_pairs = places.num_outs / 2;
        float y[MAX_PASS_ROWS * MAX_TILE_OUTS / 2];  // [num_places, num_pairs]
        swiglu_(places.sums, places.num_places * num_pairs, limit_, y);
        for (int64_t place = 0; place < places.num_places; ++place) {
            const ResultPart part = result_of(work, places.first_place + place, places.first_out, places.num_outs);
            write_scalars(work.result, work.type, part.start, y + place * num_pairs, part.count);
        }
    }

   private:
    const Swiglu swiglu_;
    const float limit_;
};

// Writes a row an assignment.
class Down : public Epilogue {
   public:
    explicit Down(const float* routing_weights) : routing_weights_(routing_weights) {}

    ResultPart result_of(const GroupedMatmul& work, int64_t place, int64_t first_out, int64_t num_outs) const override {
        return {work.order[place] * work.num_outs + first_out, num_outs};
    }

    void write(const GroupedMatmul& work, const PlaceSums& places) const override {
        for (int64_t place = 0; place < places.num_places; ++place) {
            const float weight = routing_weights_[work.order[places.first_place + place]];
            const float* sums = places.sums + place * places.num_outs;
            float weighted[MAX_TILE_OUTS];
            for (int64_t out = 0; out < places.num_outs; ++out) weighted[out] = sums[out] * weight;
            const ResultPart part = result_of(work, places.first_place + place, places.first_out, places.num_outs);
            write_scalars(work.result, work.type, part.start, weighted, part.count);
        }
    }

   private:
    const float* const routing_weights_;  // [assignments]
};

}  // namespace
}  // namespace expertmesh

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT bool expertmesh_can_run(expertmesh::InstructionSet instructions) { return expertmesh::can_run(instructions); }

EXPORT expertmesh::Status expertmesh_gate_up(const expertmesh::GroupedMatmul* work, float limit) {
    return expertmesh::run(*work, expertmesh::GateUp(work->instructions, limit));
}

EXPORT expertmesh::Status expertmesh_down(const expertmesh::GroupedMatmul* work, const float* routing_weights) {
    return expertmesh::run(*work, expertmesh::Down(routing_weights));
}
