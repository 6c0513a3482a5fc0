// What happens to each token between the matrices: norm, rotation and storing, routing. One pass over a row each.
//
// Rows are independent and each sum has one order, the same for every instruction set: these are short.

#include <algorithm>
#include <cmath>

#include "index_range.h"
#include "scalar_type.h"
#include "useful_threads.h"

namespace expertmesh {
namespace {

constexpr int64_t SUM_LANES = 16;

// The layouts of these structs are the contract with kernels/cpu/row_kernels.py, which fills them in.

// result = norm(x + delta) · scale; total = x + delta.
struct Norm {
    int64_t num_rows, width;
    const void* x;      // [num_rows, width], type
    const void* delta;  // the same, or null
    const void* scale;  // [width], scale_type
    void* total;        // as x; null without a delta
    void* result;       // as x
    float eps;
    ScalarType type, scale_type;
    int32_t num_threads;
};

struct Rotation {
    int64_t num_tokens, num_heads, num_kv_heads, head_dim, num_positions, num_slots;
    const void* qkv;           // [num_tokens, num_heads + 2 · num_kv_heads, head_dim], type
    const float* cos;          // [num_positions, head_dim / 2]
    const float* sin;          // the same
    const int64_t* positions;  // [num_tokens]
    const int64_t* slots;      // [num_tokens]
    void* keys;                // [num_slots, num_kv_heads, head_dim], type
    void* values;              // the same
    void* query;               // [num_tokens, num_heads, head_dim], type
    ScalarType type;
    int32_t num_threads;
};

struct Routes {
    int64_t num_tokens, num_experts, top_k;
    const void* logits;   // [num_tokens, num_experts], type
    int64_t* expert_ids;  // [num_tokens, top_k]
    float* weights;       // the same
    ScalarType type;
};

float square_sum(const void* row, ScalarType type, int64_t start, int64_t width) {
    float lanes[SUM_LANES] = {};
    int64_t i = 0;
    for (; i + SUM_LANES <= width; i += SUM_LANES) {
        for (int64_t lane = 0; lane < SUM_LANES; ++lane) {
            const float value = read_scalar(row, type, start + i + lane);
            lanes[lane] += value * value;
        }
    }
    for (; i < width; ++i) {
        const float value = read_scalar(row, type, start + i);
        lanes[i % SUM_LANES] += value * value;
    }
    for (int64_t half = SUM_LANES / 2; half > 0; half /= 2) {
        for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
}

template <ScalarType type>
void norm_row(const Norm& work, int64_t row) {
    const int64_t start = row * work.width;
    const void* x = work.x;
    if (work.delta != nullptr) {
        for (int64_t i = start; i < start + work.width; ++i) {
            write_scalar(work.total, type, i, read_scalar(work.x, type, i) + read_scalar(work.delta, type, i));
        }
        x = work.total;
    }
    const float mean = square_sum(x, type, start, work.width) / static_cast<float>(work.width);
    const float inverse = 1.0f / std::sqrt(mean + work.eps);
    for (int64_t i = 0; i < work.width; ++i) {
        const float value = read_scalar(x, type, start + i) * inverse;
        write_scalar(work.result, type, start + i, value * read_scalar(work.scale, work.scale_type, i));
    }
}

template <ScalarType type>
void rotate_head(const Rotation& work, const float* cos, const float* sin, int64_t from, void* to, int64_t start) {
    const int64_t half = work.head_dim / 2;
    for (int64_t i = 0; i < half; ++i) {
        const float first = read_scalar(work.qkv, type, from + i), second = read_scalar(work.qkv, type, from + half + i);
        write_scalar(to, type, start + i, first * cos[i] - second * sin[i]);
        write_scalar(to, type, start + half + i, second * cos[i] + first * sin[i]);
    }
}

template <ScalarType type>
void rotate_token(const Rotation& work, int64_t token) {
    const int64_t head_dim = work.head_dim, kv_width = work.num_kv_heads * head_dim;
    const int64_t width = work.num_heads * head_dim + 2 * kv_width;
    const float* cos = work.cos + work.positions[token] * (head_dim / 2);
    const float* sin = work.sin + work.positions[token] * (head_dim / 2);
    int64_t from = token * width;
    for (int64_t head = 0; head < work.num_heads; ++head, from += head_dim) {
        rotate_head<type>(work, cos, sin, from, work.query, (token * work.num_heads + head) * head_dim);
    }
    const int64_t stored = work.slots[token] * kv_width;
    for (int64_t head = 0; head < work.num_kv_heads; ++head, from += head_dim) {
        rotate_head<type>(work, cos, sin, from, work.keys, stored + head * head_dim);
    }
    for (int64_t i = 0; i < kv_width; ++i) {
        write_scalar(work.values, type, stored + i, read_scalar(work.qkv, type, from + i));
    }
}

// Best first; of equal logits the lower expert.
template <ScalarType type>
void route_token(const Routes& work, int64_t token) {
    int64_t* chosen = work.expert_ids + token * work.top_k;
    float* weights = work.weights + token * work.top_k;
    const int64_t start = token * work.num_experts;
    for (int64_t slot = 0; slot < work.top_k; ++slot) {
        const auto is_free = [&](int64_t expert) { return std::find(chosen, chosen + slot, expert) == chosen + slot; };
        int64_t best = 0;
        while (!is_free(best)) ++best;
        float best_logit = read_scalar(work.logits, type, start + best);
        for (int64_t expert = best + 1; expert < work.num_experts; ++expert) {
            const float logit = read_scalar(work.logits, type, start + expert);
            if (logit > best_logit && is_free(expert)) best = expert, best_logit = logit;
        }
        chosen[slot] = best;
        weights[slot] = best_logit;
    }
    float total = 0;
    const float largest = weights[0];
    for (int64_t slot = 0; slot < work.top_k; ++slot) total += weights[slot] = std::exp(weights[slot] - largest);
    for (int64_t slot = 0; slot < work.top_k; ++slot) weights[slot] /= total;
}

}  // namespace
}  // namespace expertmesh

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void expertmesh_norm(const expertmesh::Norm* work) {
    using namespace expertmesh;
    const auto norm = work->type == ScalarType::float32 ? norm_row<ScalarType::float32> : norm_row<ScalarType::bfloat16>;
    const int num_threads = useful_threads(work->num_rows * work->width, VALUES_OF_A_THREAD, work->num_threads);
#pragma omp parallel for num_threads(num_threads)
    for (int64_t row = 0; row < work->num_rows; ++row) norm(*work, row);
}

// -> whether every position and slot is there; else nothing is done.
EXPORT bool expertmesh_rotate_and_store(const expertmesh::Rotation* work) {
    using namespace expertmesh;
    if (!all_below(work->positions, work->num_tokens, work->num_positions)) return false;
    if (!all_below(work->slots, work->num_tokens, work->num_slots)) return false;
    const auto rotate =
        work->type == ScalarType::float32 ? rotate_token<ScalarType::float32> : rotate_token<ScalarType::bfloat16>;
    const int64_t width = (work->num_heads + 2 * work->num_kv_heads) * work->head_dim;
    const int num_threads = useful_threads(work->num_tokens * width, VALUES_OF_A_THREAD, work->num_threads);
#pragma omp parallel for num_threads(num_threads)
    for (int64_t token = 0; token < work->num_tokens; ++token) rotate(*work, token);
    return true;
}

EXPORT void expertmesh_route(const expertmesh::Routes* work) {
    using namespace expertmesh;
    const auto route =
        work->type == ScalarType::float32 ? route_token<ScalarType::float32> : route_token<ScalarType::bfloat16>;
    for (int64_t token = 0; token < work->num_tokens; ++token) route(*work, token);
}
