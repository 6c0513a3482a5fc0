// The two halves of the experts: what is called from Python (kernels/cpu/library.py).

#include "grouped_matmul.h"
#include "swiglu.h"
#include "tile.h"

namespace expertmesh {
namespace {

Swiglu swiglu_of(InstructionSet instructions) {
#if defined(__x86_64__)
    if (instructions == InstructionSet::avx512) return swiglu_avx512;
    if (instructions == InstructionSet::avx2) return swiglu_avx2;
#endif
    (void)instructions;
    return swiglu_plain;
}

// Gate and up rows are interleaved, and a tile begins with a gate.
class GateUp : public Epilogue {
   public:
    GateUp(InstructionSet instructions, float limit) : swiglu_(swiglu_of(instructions)), limit_(limit) {}

    void write(const GroupedMatmul& work, const float* sums, int64_t first_out, int64_t num_outs,
               int64_t output_row) const override {
        float y[MAX_TILE_OUTS / 2];
        swiglu_(sums, num_outs / 2, limit_, y);
        const int64_t start = output_row * (work.num_outs / 2) + first_out / 2;
        write_scalars(work.result, work.type, start, y, num_outs / 2);
    }

   private:
    const Swiglu swiglu_;
    const float limit_;
};

class Down : public Epilogue {
   public:
    explicit Down(const float* routing_weights) : routing_weights_(routing_weights) {}

    void write(const GroupedMatmul& work, const float* sums, int64_t first_out, int64_t num_outs,
               int64_t output_row) const override {
        const float weight = routing_weights_[output_row];
        float weighted[MAX_TILE_OUTS];
        for (int64_t out = 0; out < num_outs; ++out) weighted[out] = sums[out] * weight;
        write_scalars(work.result, work.type, output_row * work.num_outs + first_out, weighted, num_outs);
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
