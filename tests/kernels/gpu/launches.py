"""Every kernel as the released models launch it, on tensors that have a shape and no memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor

from kernels.attention import AttentionQueries
from kernels.choose import Draws
from kernels.gpu.attention_decode import num_chunks, parts_launch
from kernels.gpu.attention_merge import Parts, merge_launch
from kernels.gpu.attention_prefill import prefill_launch
from kernels.gpu.choose import choose_launch
from kernels.gpu.combine import combine_launch
from kernels.gpu.expert_layout import ArrangedMatrix
from kernels.gpu.launch import Launch
from kernels.gpu.moe_down import down_launch
from kernels.gpu.moe_gate_up import gate_up_launch
from kernels.gpu.mxfp8 import pack_launch, unpack_launch
from kernels.gpu.plan import empty_groups, order_launch, tiles_launch, tiles_of
from kernels.gpu.rmsnorm import rmsnorm_launch
from kernels.gpu.rotate_store import rotate_store_launch
from kernels.gpu.route import route_launch
from kernels.group import Assignments
from kernels.paging import PagedKeysValues, PageTable
from kernels.rope import RotaryTable
from model.config import GPT_OSS_20B, GPT_OSS_120B, ModelConfig

PAGE_SIZE = 16


class Multiplies(StrEnum):
    """How much at once: for 16 rows there is the older instruction alone, on every GPU."""

    NOTHING = "nothing"
    FEW = "few rows"
    MANY = "many rows"


@dataclass(frozen=True)
class Case:
    name: str
    launch: Launch
    multiplies: Multiplies = Multiplies.NOTHING


def like(*shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def integers(*shape: int) -> Tensor:
    return like(*shape, dtype=torch.int64)


def every_case() -> Iterator[Case]:
    yield from rows("20b", GPT_OSS_20B)
    yield from rows("120b", GPT_OSS_120B)
    yield from attention(GPT_OSS_20B, "full", None)
    yield from attention(GPT_OSS_20B, "sliding", GPT_OSS_20B.sliding_window)
    yield from experts("20b decode", GPT_OSS_20B, 4)
    yield from experts("120b short", GPT_OSS_120B, 1024)
    yield from experts("20b prefill", GPT_OSS_20B, 8192)


def rows(name: str, config: ModelConfig) -> Iterator[Case]:
    """What goes token by token; a launch for one token is the launch for many."""
    hidden, top_k = config.hidden_size, config.experts_per_token
    x, scale = like(5, hidden), like(hidden)
    yield Case(f"{name}: rmsnorm", rmsnorm_launch(x, None, scale, 1e-5, x, x))
    yield Case(f"{name}: add_rmsnorm", rmsnorm_launch(x, x, scale, 1e-5, x, x))
    yield Case(f"{name}: combine", combine_launch(like(5, top_k, hidden), x))
    values, exponents = (like(5, width, dtype=torch.uint8) for width in (hidden, hidden // 32))
    yield Case(f"{name}: pack", pack_launch(x, integers(5), values, exponents))
    yield Case(f"{name}: unpack", unpack_launch(values, exponents, x))
    logits = like(5, config.num_experts)
    yield Case(
        f"{name}: route", route_launch(logits, integers(5, top_k), like(5, top_k, dtype=torch.float32))
    )
    wide, whole = like(5, dtype=torch.float64), integers(5)
    scores = like(5, config.vocab_size, dtype=torch.float32)
    draws = Draws(wide, whole, wide, wide, whole, whole, whole)
    yield Case(f"{name}: choose", choose_launch(scores, draws, whole))
    angles = like(config.max_positions, config.head_dim // 2, dtype=torch.float32)
    query = like(5, config.num_query_heads, config.head_dim)
    qkv = like(5, config.query_width + 2 * config.kv_width)
    launch = rotate_store_launch(
        qkv, RotaryTable(angles, angles), integers(5), cache(config), integers(5), query
    )
    yield Case(f"{name}: rotate_store", launch)


def attention(config: ModelConfig, name: str, window: int | None) -> Iterator[Case]:
    sequences, tokens, width = 5, 300, 512
    heads, head_dim = config.num_query_heads, config.head_dim
    table = PageTable(integers(sequences, width), integers(sequences))
    queries = AttentionQueries(integers(sequences + 1), integers(sequences), table, num_single=sequences)
    sinks, decoded, prefilled = like(heads), like(sequences, heads, head_dim), like(tokens, heads, head_dim)
    parts = Parts.empty(decoded, config.num_kv_heads, num_chunks(width, PAGE_SIZE, window))
    yield Case(
        f"{name}: decode", parts_launch(decoded, cache(config), queries, window, parts), Multiplies.FEW
    )
    yield Case(f"{name}: merge", merge_launch(parts, integers(sequences), sinks, window, decoded))
    queries = replace(queries, num_single=2)
    launch = prefill_launch(prefilled, cache(config), queries, sinks, window, prefilled)
    yield Case(f"{name}: prefill", launch, Multiplies.MANY)


def cache(config: ModelConfig) -> PagedKeysValues:
    shape = (1000, PAGE_SIZE, config.num_kv_heads, config.head_dim)
    return PagedKeysValues(like(*shape), like(*shape))


def arranged(num_experts: int, outs: int, width: int) -> ArrangedMatrix:
    return ArrangedMatrix(
        words=like(num_experts, width // 32, outs, 8, dtype=torch.int16),
        scales=like(num_experts, -(-width // 128), outs, 4, dtype=torch.uint8),
    )


def experts(name: str, config: ModelConfig, num_tokens: int) -> Iterator[Case]:
    count, hidden, intermediate = config.num_experts, config.hidden_size, config.intermediate_size
    num_assignments = num_tokens * config.experts_per_token
    work = Assignments(
        integers(num_assignments), integers(num_assignments), like(num_assignments, dtype=torch.float32)
    )
    groups = empty_groups(work.experts, count)
    x, y, rows = like(num_tokens, hidden), like(num_assignments, intermediate), like(num_assignments, hidden)
    up, below = arranged(count, 2 * intermediate, hidden), arranged(count, hidden, intermediate)
    limit = config.swiglu_limit
    yield Case(f"{name}: order", order_launch(work.experts, count, groups))
    yield Case(f"{name}: tiles", tiles_launch(groups.offsets, tiles_of(groups)))
    yield Case(
        f"{name}: gate_up",
        gate_up_launch(x, work, groups, up, like(count, 2 * intermediate), limit, y),
        Multiplies.MANY,
    )
    yield Case(
        f"{name}: down", down_launch(y, work, groups, below, like(count, hidden), rows), Multiplies.MANY
    )
