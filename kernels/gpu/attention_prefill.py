"""Attention of chunks of any length at any offset on a GPU: paged, window skipped, sink from the start.

    visible(q, k) = 0 ≤ q − k < window               formula and reference: kernels/attention.py

    query [tokens, heads, head_dim], sequence s has rows starts[s] … starts[s + 1] − 1, from
    first_positions[s] on cache [pages, page_size, kv_heads, head_dim]     result like query

A program takes a tile of up to TOKENS tokens of one sequence with all heads of one KV head (they share its
keys), and goes once over the blocks of keys that any of them sees, with a running maximum. What lies behind
the window, or was given back, is not touched. Tiles are counted here, from `starts`: the CPU knows only how
many there can be.

Must read each visible key and value once per tile, and queries and results once.
"""

import triton
import triton.language as tl
from torch import Tensor

from kernels.attention import AttentionQueries
from kernels.gpu.configs import PREFILL_ATTENTION
from kernels.gpu.launch import Launch
from kernels.gpu.visible import LOG2_E, first_visible, load_block, paged_arguments, paged_constants
from kernels.paging import PagedKeysValues

_LOG2_E = tl.constexpr(LOG2_E)


@triton.jit(do_not_specialize=["first_sequence", "num_sequences", "table_width"])
def prefill_body(
    query_ptr: tl.tensor,
    keys_ptr: tl.tensor,
    values_ptr: tl.tensor,
    pages_ptr: tl.tensor,
    first_page_ptr: tl.tensor,
    starts_ptr: tl.tensor,
    first_positions_ptr: tl.tensor,
    sinks_ptr: tl.tensor,
    result_ptr: tl.tensor,
    first_sequence: int,
    num_sequences: int,
    table_width: int,
    scale: float,
    WINDOW: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    KV_HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    GROUP_ROOM: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM_ROOM: tl.constexpr,
    SEQUENCES_ROOM: tl.constexpr,
    TOKENS: tl.constexpr,
    BLOCK: tl.constexpr,
    OPERAND: tl.constexpr,
) -> None:
    kv_head = tl.program_id(0)
    each = tl.arange(0, SEQUENCES_ROOM)
    starts_ptr += first_sequence
    starts = tl.load(starts_ptr + each, mask=each < num_sequences, other=0).to(tl.int32)
    stops = tl.load(starts_ptr + each + 1, mask=each < num_sequences, other=0).to(tl.int32)
    num_tiles = (stops - starts + TOKENS - 1) // TOKENS  # [SEQUENCES_ROOM]
    past = tl.cumsum(num_tiles)
    tile = tl.program_id(1)
    if tile >= tl.sum(num_tiles):
        return
    mine = tl.sum((past <= tile).to(tl.int32))
    sequence = first_sequence + mine
    is_mine = each == mine
    first_token = (tile - tl.sum(tl.where(is_mine, past - num_tiles, 0))) * TOKENS  # of its chunk
    start = tl.sum(tl.where(is_mine, starts, 0))
    num_tokens = tl.minimum(tl.sum(tl.where(is_mine, stops - starts, 0)) - first_token, TOKENS)

    row = tl.arange(0, TOKENS * GROUP_ROOM)
    token = row // GROUP_ROOM  # [rows]
    head = kv_head * GROUP + row % GROUP_ROOM
    is_row = (token < num_tokens) & (row % GROUP_ROOM < GROUP)
    dim = tl.arange(0, DIM_ROOM)
    query_row = (start + first_token + token).to(tl.int64) * (KV_HEADS * GROUP) + head
    query_at = query_row[:, None] * HEAD_DIM + dim[None, :]
    is_there = is_row[:, None] & (dim < HEAD_DIM)[None, :]
    query = tl.load(query_ptr + query_at, mask=is_there, other=0.0).to(OPERAND)  # [rows, DIM_ROOM]

    first_position = tl.load(first_positions_ptr + sequence).to(tl.int32) + first_token
    position = first_position + token  # [rows]
    first_key = first_visible(first_position, WINDOW)
    past_key = first_position + num_tokens
    first_page = tl.load(first_page_ptr + sequence).to(tl.int32)
    pages_ptr += sequence * table_width

    largest = tl.load(sinks_ptr + head, mask=is_row, other=0.0).to(tl.float32) * _LOG2_E
    total = tl.full((TOKENS * GROUP_ROOM,), 1.0, dtype=tl.float32)
    mixed = tl.zeros((TOKENS * GROUP_ROOM, DIM_ROOM), dtype=tl.float32)
    for first in range(first_key, past_key, BLOCK):
        key_position = first + tl.arange(0, BLOCK)
        keys, values = load_block(
            keys_ptr, values_ptr, pages_ptr, first_page, key_position, key_position < past_key, kv_head,
            PAGE_SIZE, KV_HEADS, HEAD_DIM, DIM_ROOM, OPERAND,
        )  # fmt: skip
        logits = tl.dot(query, tl.trans(keys)) * (scale * _LOG2_E)  # [rows, BLOCK]
        distance = position[:, None] - key_position[None, :]
        is_visible = distance >= 0
        if WINDOW is not None:
            is_visible = is_visible & (distance < WINDOW)
        logits = tl.where(is_visible, logits, float("-inf"))
        larger = tl.maximum(largest, tl.max(logits, axis=1))
        share = tl.exp2(logits - larger[:, None])
        fade = tl.exp2(largest - larger)
        total = total * fade + tl.sum(share, axis=1)
        mixed = tl.dot(share.to(OPERAND), values, mixed * fade[:, None])
        largest = larger
    result = (mixed / total[:, None]).to(result_ptr.dtype.element_ty)
    tl.store(result_ptr + query_at, result, mask=is_there)


def prefill_launch(
    query: Tensor,
    cache: PagedKeysValues,
    queries: AttentionQueries,
    sinks: Tensor,
    window: int | None,
    result: Tensor,
) -> Launch:
    num_kv_heads = cache.keys.shape[2]
    num_sequences = len(queries.first_positions) - queries.num_single
    num_tokens = len(query) - queries.num_single
    group_room = triton.next_power_of_2(query.shape[1] // num_kv_heads)
    tokens = max(1, PREFILL_ATTENTION.rows // group_room)
    most_tiles = num_sequences + (num_tokens - num_sequences) // tokens
    return Launch(
        prefill_body,
        (num_kv_heads, most_tiles),
        {
            **paged_arguments(query, cache, queries),
            "starts_ptr": queries.starts,
            "first_positions_ptr": queries.first_positions,
            "sinks_ptr": sinks,
            "result_ptr": result,
            "first_sequence": queries.num_single,
            "num_sequences": num_sequences,
        },
        {
            **paged_constants(query, cache, window),
            "GROUP_ROOM": group_room,
            "SEQUENCES_ROOM": triton.next_power_of_2(num_sequences),
            "TOKENS": tokens,
            "BLOCK": PREFILL_ATTENTION.block,
        },
        PREFILL_ATTENTION.warps,
    )


def attention_prefill(
    query: Tensor,
    cache: PagedKeysValues,
    queries: AttentionQueries,
    sinks: Tensor,
    window: int | None,
    result: Tensor,
) -> None:
    """Shapes as in kernels.attention, which calls this for the sequences behind those with one query."""
    prefill_launch(query, cache, queries, sinks, window, result).run()
