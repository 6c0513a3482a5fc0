// Rows times the packed matrices of their experts: which rows meet which matrix, and who computes what.
//
// The layout of GroupedMatmul is the contract with kernels/cpu/library.py, which fills it in.

#pragma once

#include <cstdint>

#include "instruction_set.h"
#include "scalar_type.h"

namespace expertmesh {

enum class Activations : int32_t { float32 = 0, int8 = 1 };

enum class Status : int32_t { done = 0, index_out_of_range = 1, out_of_memory = 2, not_here = 3 };

struct GroupedMatmul {
    int64_t num_rows, num_assignments, num_experts, num_outs, num_blocks;
    const void* x;           // [num_rows, 32 * num_blocks], type
    const int64_t* rows;     // [num_assignments]: the row of x that each assignment reads; null: x has a row a place
    const int64_t* order;    // [num_assignments]: the assignment at each place of the groups
    const int64_t* offsets;  // [num_experts + 1]: expert e has the places offsets[e] … offsets[e + 1] − 1
    const uint8_t* blocks;   // [num_experts, num_outs, num_blocks, 16]
    const uint8_t* scales;   // [num_experts, num_outs, num_blocks]
    const void* bias;        // [num_experts, num_outs], bias_type
    void* result;            // [num_assignments, outputs of a row], type
    ScalarType type, bias_type;
    InstructionSet instructions;
    Activations activations;
    int32_t num_threads;
};

// Of the places from `first_place` on their sums over `num_outs` matrix rows from `first_out` on, biases added.
struct PlaceSums {
    const float* sums;                // [num_places, num_outs]
    int64_t first_place, num_places;  // MAX_PASS_ROWS at most
    int64_t first_out, num_outs;
};

// Neighbouring values of a result.
struct ResultPart {
    int64_t start, count;
};

// What becomes of them: their rows' outputs.
class Epilogue {
   public:
    virtual ~Epilogue() = default;

    // The part of the result that a place's sums will become.
    virtual ResultPart result_of(const GroupedMatmul& work, int64_t place, int64_t first_out,
                                 int64_t num_outs) const = 0;

    virtual void write(const GroupedMatmul& work, const PlaceSums& places) const = 0;
};

bool can_run(InstructionSet instructions);

Status run(const GroupedMatmul& work, const Epilogue& epilogue);

}  // namespace expertmesh
