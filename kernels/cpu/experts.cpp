// The two halves of the experts: what is called from Python (kernels/cpu/library.py).

#include <cmath>

#include "grouped_matmul.h"

namespace expertmesh {
namespace {

constexpr float SWIGLU_ALPHA = 1.702f;

// Comparisons let NaN pass, as torch's clamp does.
float at_most(float value, float limit) { return value > limit ? limit : value; }

float within(float value, float limit) { return value < -limit ? -limit : at_most(value, limit); }

// Gate and up rows are interleaved, and a tile begins with a gate.
class GateUp : public Epilogue {
   public:
    explicit GateUp(float limit) : limit_(limit) {}

    void write(const GroupedMatmul& work, const float* sums, int64_t first_out, int64_t num_outs,
               int64_t output_row) const override {
        const int64_t start = output_row * (work.num_outs / 2) + first_out / 2;
        for (int64_t pair = 0; pair < num_outs / 2; ++pair) {
            const float gate = at_most(sums[2 * pair], limit_), up = within(sums[2 * pair + 1], limit_);
            const float y = gate / (1.0f + std::exp(-SWIGLU_ALPHA * gate)) * (up + 1.0f);
            write_scalar(work.result, work.type, start + pair, y);
        }
    }

   private:
    const float limit_;
};

class Down : public Epilogue {
   public:
    explicit Down(const float* routing_weights) : routing_weights_(routing_weights) {}

    void write(const GroupedMatmul& work, const float* sums, int64_t first_out, int64_t num_outs,
               int64_t output_row) const override {
        const float weight = routing_weights_[output_row];
        const int64_t start = output_row * work.num_outs + first_out;
        for (int64_t out = 0; out < num_outs; ++out) {
            write_scalar(work.result, work.type, start + out, sums[out] * weight);
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
    return expertmesh::run(*work, expertmesh::GateUp(limit));
}

EXPORT expertmesh::Status expertmesh_down(const expertmesh::GroupedMatmul* work, const float* routing_weights) {
    return expertmesh::run(*work, expertmesh::Down(routing_weights));
}
