"""What a query sees and where it lies: the parts that both attention kernels of a GPU are made of."""

import math
from collections.abc import Mapping

import triton
import triton.language as tl
from torch import Tensor

from kernels.attention import AttentionQueries
from kernels.gpu.launch import operand_type
from kernels.paging import PagedKeysValues

LOG2_E = math.log2(math.e)
"""Attention computes with powers of two, l · log2(e) in the exponent: the GPU has an instruction for it."""


@triton.jit
def first_visible(position: tl.tensor, WINDOW: tl.constexpr) -> tl.tensor:
    """The first key that a query at this position sees."""
    return position * 0 if WINDOW is None else tl.maximum(position - WINDOW + 1, 0)


@triton.jit
def load_block(
    keys_ptr: tl.tensor,
    values_ptr: tl.tensor,
    pages_ptr: tl.tensor,
    first_page: tl.tensor,
    key_position: tl.tensor,
    is_seen: tl.tensor,
    kv_head: tl.tensor,
    PAGE_SIZE: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM_ROOM: tl.constexpr,
    OPERAND: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """Keys and values at key_position [block], each [block, DIM_ROOM]; zero where not seen, and not read."""
    dim = tl.arange(0, DIM_ROOM)
    page = tl.load(pages_ptr + key_position // PAGE_SIZE - first_page, mask=is_seen, other=0)  # [block]
    slot = page * PAGE_SIZE + key_position % PAGE_SIZE  # int64
    at = (slot * KV_HEADS + kv_head)[:, None] * HEAD_DIM + dim[None, :]
    is_there = is_seen[:, None] & (dim < HEAD_DIM)[None, :]
    keys = tl.load(keys_ptr + at, mask=is_there, other=0.0).to(OPERAND)
    values = tl.load(values_ptr + at, mask=is_there, other=0.0).to(OPERAND)
    return keys, values


def paged_arguments(
    query: Tensor, cache: PagedKeysValues, queries: AttentionQueries
) -> Mapping[str, Tensor | int | float]:
    assert query.is_contiguous()
    assert cache.keys.is_contiguous()
    assert cache.values.is_contiguous()
    return {
        "query_ptr": query,
        "keys_ptr": cache.keys,
        "values_ptr": cache.values,
        "pages_ptr": queries.table.pages,
        "first_page_ptr": queries.table.first_page,
        "table_width": queries.table.pages.shape[1],
        "scale": query.shape[2] ** -0.5,
    }


def paged_constants(query: Tensor, cache: PagedKeysValues, window: int | None) -> Mapping[str, object]:
    num_kv_heads, head_dim = cache.keys.shape[2:]
    return {
        "WINDOW": window,
        "PAGE_SIZE": cache.page_size,
        "KV_HEADS": num_kv_heads,
        "GROUP": query.shape[1] // num_kv_heads,
        "HEAD_DIM": head_dim,
        "DIM_ROOM": max(16, triton.next_power_of_2(head_dim)),
        "OPERAND": operand_type(query),
    }
