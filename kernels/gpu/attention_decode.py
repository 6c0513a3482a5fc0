"""Attention of the sequences with one query on a GPU: paged, keys split over programs, sink at the merge.

    visible(k) = 0 ≤ position − k < window          formula and reference: kernels/attention.py

    query [sequences, heads, head_dim]   cache [pages, page_size, kv_heads, head_dim]   result like query
    what the parts are and how they come together: kernels/gpu/attention_merge.py

Chunks lie at fixed positions, and the merge takes them in their order: a sequence's result does not depend on
its batch. A chunk in which nothing is visible is neither computed nor read back, and no page outside the
window is touched. The group's queries share each key: they are the rows of one matrix product (16, the least
there is).

Must read the visible keys and values once: 2 · 2 · kv_heads · head_dim bytes a position.
"""

import triton
import triton.language as tl
from torch import Tensor

from kernels.attention import AttentionQueries
from kernels.gpu.attention_merge import Parts, merge_launch
from kernels.gpu.configs import DECODE_ATTENTION
from kernels.gpu.launch import Launch
from kernels.gpu.visible import LOG2_E, first_visible, load_block, paged_arguments, paged_constants
from kernels.paging import PagedKeysValues

_LOG2_E = tl.constexpr(LOG2_E)


@triton.jit(do_not_specialize=["table_width"])
def parts_body(
    query_ptr: tl.tensor,
    keys_ptr: tl.tensor,
    values_ptr: tl.tensor,
    pages_ptr: tl.tensor,
    first_page_ptr: tl.tensor,
    positions_ptr: tl.tensor,
    mixed_ptr: tl.tensor,
    largest_ptr: tl.tensor,
    total_ptr: tl.tensor,
    table_width: int,
    scale: float,
    WINDOW: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    KV_HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    ROWS: tl.constexpr,
    DIM_ROOM: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK: tl.constexpr,
    OPERAND: tl.constexpr,
) -> None:
    sequence = tl.program_id(0)
    kv_head = tl.program_id(1)
    position = tl.load(positions_ptr + sequence).to(tl.int32)
    first_key = first_visible(position, WINDOW)
    chunk = tl.program_id(2)
    start = tl.maximum((first_key // CHUNK + chunk) * CHUNK, first_key)
    stop = tl.minimum((first_key // CHUNK + chunk + 1) * CHUNK, position + 1)
    if start >= stop:
        return
    row = tl.arange(0, ROWS)
    dim = tl.arange(0, DIM_ROOM)
    is_there = (row < GROUP)[:, None] & (dim < HEAD_DIM)[None, :]
    query_at = ((sequence * KV_HEADS + kv_head) * GROUP + row)[:, None] * HEAD_DIM + dim[None, :]
    query = tl.load(query_ptr + query_at, mask=is_there, other=0.0).to(OPERAND)  # [ROWS, DIM_ROOM]
    pages_ptr += sequence * table_width
    first_page = tl.load(first_page_ptr + sequence).to(tl.int32)

    largest = tl.full((ROWS,), float("-inf"), dtype=tl.float32)
    total = tl.zeros((ROWS,), dtype=tl.float32)
    mixed = tl.zeros((ROWS, DIM_ROOM), dtype=tl.float32)
    for first in range(start, stop, BLOCK):
        key_position = first + tl.arange(0, BLOCK)
        is_seen = key_position < stop
        keys, values = load_block(
            keys_ptr, values_ptr, pages_ptr, first_page, key_position, is_seen, kv_head,
            PAGE_SIZE, KV_HEADS, HEAD_DIM, DIM_ROOM, OPERAND,
        )  # fmt: skip
        logits = tl.dot(query, tl.trans(keys)) * (scale * _LOG2_E)  # [ROWS, BLOCK]
        logits = tl.where(is_seen[None, :], logits, float("-inf"))
        larger = tl.maximum(largest, tl.max(logits, axis=1))
        share = tl.exp2(logits - larger[:, None])
        fade = tl.exp2(largest - larger)
        total = total * fade + tl.sum(share, axis=1)
        mixed = tl.dot(share.to(OPERAND), values, mixed * fade[:, None])
        largest = larger

    part = ((sequence * KV_HEADS + kv_head) * tl.num_programs(2) + chunk).to(tl.int64) * GROUP + row
    tl.store(mixed_ptr + part[:, None] * HEAD_DIM + dim[None, :], mixed, mask=is_there)
    tl.store(largest_ptr + part, largest, mask=row < GROUP)
    tl.store(total_ptr + part, total, mask=row < GROUP)


def num_chunks(table_width: int, page_size: int, window: int | None) -> int:
    """The most chunks that a sequence can touch. Known without asking the GPU."""
    chunk = DECODE_ATTENTION.chunk
    in_table = -(-table_width * page_size // chunk)
    return in_table if window is None else min(in_table, -(-(window - 1) // chunk)) + 1


def parts_launch(
    query: Tensor, cache: PagedKeysValues, queries: AttentionQueries, window: int | None, parts: Parts
) -> Launch:
    num_sequences, num_kv_heads, most_chunks, group = parts.largest.shape
    assert num_sequences == queries.num_single
    return Launch(
        parts_body,
        (num_sequences, num_kv_heads, most_chunks),
        {
            **paged_arguments(query, cache, queries),
            "positions_ptr": queries.first_positions,
            "mixed_ptr": parts.mixed,
            "largest_ptr": parts.largest,
            "total_ptr": parts.total,
        },
        {
            **paged_constants(query, cache, window),
            "ROWS": max(16, triton.next_power_of_2(group)),
            "CHUNK": DECODE_ATTENTION.chunk,
            "BLOCK": DECODE_ATTENTION.block,
        },
        DECODE_ATTENTION.warps,
    )


def attention_decode(
    query: Tensor,
    cache: PagedKeysValues,
    queries: AttentionQueries,
    sinks: Tensor,
    window: int | None,
    result: Tensor,
) -> None:
    """Shapes as in kernels.attention, which calls this for the first sequences, those with one query."""
    most_chunks = num_chunks(queries.table.pages.shape[1], cache.page_size, window)
    parts = Parts.empty(query[: queries.num_single], cache.keys.shape[2], most_chunks)
    parts_launch(query, cache, queries, window, parts).run()
    merge_launch(parts, queries.first_positions, sinks, window, result).run()
