"""What a query sees and where it lies: the parts that both attention kernels of a GPU are made of."""

import math

import triton
import triton.language as tl

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
