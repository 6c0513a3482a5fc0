// Attention over paged keys and values, as kernels/attention.py defines it.
//
// The layout of Attention is the contract with kernels/cpu/attention_kernels.py, which fills it in.

#pragma once

#include <cstdint>

#include "instruction_set.h"
#include "scalar_type.h"

namespace expertmesh {

enum class AttentionStatus : int32_t { done = 0, page_not_there = 1, page_released = 2, out_of_memory = 3 };

struct Attention {
    int64_t num_sequences, num_heads, num_kv_heads, head_dim;
    int64_t num_pages, page_size, table_width;
    int64_t window;                  // 0: a query sees all before it
    const void* query;               // [tokens, num_heads, head_dim], type
    const void* keys;                // [num_pages, page_size, num_kv_heads, head_dim], cache_type
    const void* values;              // the same
    const void* sinks;               // [num_heads], sinks_type
    const int64_t* starts;           // [num_sequences + 1]
    const int64_t* first_positions;  // [num_sequences]
    const int64_t* pages;            // [num_sequences, table_width]
    const int64_t* first_page;       // [num_sequences]
    void* result;                    // [tokens, num_heads, head_dim], type
    ScalarType type, cache_type, sinks_type;
    InstructionSet instructions;
    int32_t num_threads;

    int64_t group() const { return num_heads / num_kv_heads; }

    // The first position that a query sees.
    int64_t first_seen(int64_t position) const {
        return window == 0 || position < window ? 0 : position - window + 1;
    }
};

}  // namespace expertmesh
