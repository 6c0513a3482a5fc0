"""Between the query-key-value matmul and attention, on a GPU: rotate queries and keys, store keys and values.

    (a, b) -> (a cos − b sin, b cos + a sin) for components i and i + head_dim / 2
                                                       formula and reference: kernels/rotate_store.py
    qkv [tokens, (heads + 2 · kv_heads) · head_dim]    query [tokens, heads, head_dim]
    cache: keys and values [pages, page_size, kv_heads, head_dim], written at slots [tokens]

A program takes one token. Its rotated keys go straight to their page: nothing is written twice.

Must read qkv once, write it once, and read one row of the table a token.
"""

import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.configs import ROW_WARPS
from kernels.gpu.launch import Launch
from kernels.paging import PagedKeysValues
from kernels.rope import RotaryTable


@triton.jit
def rotate_store_body(
    qkv_ptr: tl.tensor,
    cos_ptr: tl.tensor,
    sin_ptr: tl.tensor,
    positions_ptr: tl.tensor,
    slots_ptr: tl.tensor,
    query_ptr: tl.tensor,
    keys_ptr: tl.tensor,
    values_ptr: tl.tensor,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    HEADS_ROOM: tl.constexpr,
    KV_ROOM: tl.constexpr,
    HALF_ROOM: tl.constexpr,
) -> None:
    """HALF: of head_dim. The ROOMs are the powers of two that hold what they are named after."""
    token = tl.program_id(0).to(tl.int64)
    position = tl.load(positions_ptr + token)
    slot = tl.load(slots_ptr + token)
    pair = tl.arange(0, HALF_ROOM)
    is_pair = pair < HALF
    cos = tl.load(cos_ptr + position * HALF + pair, mask=is_pair, other=0.0)[None, :]
    sin = tl.load(sin_ptr + position * HALF + pair, mask=is_pair, other=0.0)[None, :]
    row_ptr = qkv_ptr + token * ((HEADS + 2 * KV_HEADS) * 2 * HALF)

    head = tl.arange(0, HEADS_ROOM)
    at = head[:, None] * (2 * HALF) + pair[None, :]  # [HEADS_ROOM, HALF_ROOM]
    is_there = (head < HEADS)[:, None] & is_pair[None, :]
    _rotate(row_ptr + at, query_ptr + token * (HEADS * 2 * HALF) + at, is_there, cos, sin, HALF)

    kv_head = tl.arange(0, KV_ROOM)
    at = kv_head[:, None] * (2 * HALF) + pair[None, :]  # [KV_ROOM, HALF_ROOM]
    is_there = (kv_head < KV_HEADS)[:, None] & is_pair[None, :]
    stored_at = slot * (KV_HEADS * 2 * HALF) + at
    row_ptr += HEADS * 2 * HALF
    _rotate(row_ptr + at, keys_ptr + stored_at, is_there, cos, sin, HALF)

    row_ptr += KV_HEADS * 2 * HALF
    for half in tl.static_range(2):
        values = tl.load(row_ptr + half * HALF + at, mask=is_there)
        tl.store(values_ptr + half * HALF + stored_at, values, mask=is_there)


@triton.jit
def _rotate(
    from_ptr: tl.tensor,
    to_ptr: tl.tensor,
    is_there: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    HALF: tl.constexpr,
) -> None:
    """from_ptr, to_ptr: [heads, pairs] pointers to the first component of each pair."""
    first = tl.load(from_ptr, mask=is_there, other=0.0).to(tl.float32)
    second = tl.load(from_ptr + HALF, mask=is_there, other=0.0).to(tl.float32)
    element = to_ptr.dtype.element_ty
    tl.store(to_ptr, (first * cos - second * sin).to(element), mask=is_there)
    tl.store(to_ptr + HALF, (second * cos + first * sin).to(element), mask=is_there)


def rotate_store_launch(
    qkv: Tensor,
    table: RotaryTable,
    positions: Tensor,
    cache: PagedKeysValues,
    slots: Tensor,
    query: Tensor,
) -> Launch:
    assert qkv.is_contiguous()
    assert cache.keys.is_contiguous()
    assert cache.values.is_contiguous()
    num_tokens, num_heads, head_dim = query.shape
    num_kv_heads = cache.keys.shape[2]
    return Launch(
        rotate_store_body,
        (num_tokens,),
        {
            "qkv_ptr": qkv,
            "cos_ptr": table.cos,
            "sin_ptr": table.sin,
            "positions_ptr": positions,
            "slots_ptr": slots,
            "query_ptr": query,
            "keys_ptr": cache.keys,
            "values_ptr": cache.values,
        },
        {
            "HEADS": num_heads,
            "KV_HEADS": num_kv_heads,
            "HALF": head_dim // 2,
            "HEADS_ROOM": triton.next_power_of_2(num_heads),
            "KV_ROOM": triton.next_power_of_2(num_kv_heads),
            "HALF_ROOM": triton.next_power_of_2(head_dim // 2),
        },
        ROW_WARPS,
    )


def rotate_and_store(
    qkv: Tensor, table: RotaryTable, positions: Tensor, cache: PagedKeysValues, slots: Tensor
) -> Tensor:
    """Called by `kernels.rotate_store.rotate_and_store`."""
    num_kv_heads, head_dim = cache.keys.shape[2:]
    num_heads = qkv.shape[1] // head_dim - 2 * num_kv_heads
    query = qkv.new_empty(len(qkv), num_heads, head_dim)
    rotate_store_launch(qkv, table, positions, cache, slots, query).run()
    return query
