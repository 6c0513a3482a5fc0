"""The second half of decode attention on a GPU: the chunks of a sequence come together, and the sink joins
them.

    result = Σ mixed_c · 2^(largest_c − m) / (2^(sink − m) + Σ total_c · 2^(largest_c − m)),   m the largest
    of all

    mixed    [sequences, kv_heads, chunks, group, head_dim] = Σ 2^(l − largest) · value over the chunk,
    float32 largest, total    [sequences, kv_heads, chunks, group] = the largest l, and Σ 2^(l − largest); l
    in powers of two result   [sequences, heads, head_dim]

Chunks count from the first one in which the sequence sees something; those behind the last were never written
and are not read. One program for a head of a sequence.

Must read the parts once: 4 · (head_dim + 2) bytes for every 256 keys of a head, 1.6 % of the keys and values
of its group of eight.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.configs import DECODE_ATTENTION, MERGE_CHUNKS, MERGE_WARPS
from kernels.gpu.launch import Launch
from kernels.gpu.visible import LOG2_E, first_visible

_LOG2_E = tl.constexpr(LOG2_E)


@triton.jit(do_not_specialize=["num_chunks"])
def merge_body(
    mixed_ptr: tl.tensor,
    largest_ptr: tl.tensor,
    total_ptr: tl.tensor,
    positions_ptr: tl.tensor,
    sinks_ptr: tl.tensor,
    result_ptr: tl.tensor,
    num_chunks: int,
    WINDOW: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM_ROOM: tl.constexpr,
    CHUNK: tl.constexpr,
    TOGETHER: tl.constexpr,
) -> None:
    """One program for one head of one sequence. The sink is where it starts: a logit without a value."""
    sequence = tl.program_id(0)
    head = tl.program_id(1)
    heads = tl.num_programs(1)
    position = tl.load(positions_ptr + sequence).to(tl.int32)
    num_written = position // CHUNK - first_visible(position, WINDOW) // CHUNK + 1
    dim = tl.arange(0, DIM_ROOM)
    part = ((sequence * (heads // GROUP) + head // GROUP) * num_chunks).to(tl.int64) * GROUP + head % GROUP

    largest = tl.load(sinks_ptr + head).to(tl.float32) * _LOG2_E
    total = 1.0
    mixed = tl.zeros((DIM_ROOM,), dtype=tl.float32)
    for first in range(0, num_written, TOGETHER):
        chunk = first + tl.arange(0, TOGETHER)
        is_written = chunk < num_written
        at = part + chunk * GROUP  # [TOGETHER]
        their_largest = tl.load(largest_ptr + at, mask=is_written, other=float("-inf"))
        their_total = tl.load(total_ptr + at, mask=is_written, other=0.0)
        is_there = is_written[:, None] & (dim < HEAD_DIM)[None, :]
        their_mixed = tl.load(mixed_ptr + at[:, None] * HEAD_DIM + dim[None, :], mask=is_there, other=0.0)
        larger = tl.maximum(largest, tl.max(their_largest))
        share = tl.exp2(their_largest - larger)  # [TOGETHER]
        fade = tl.exp2(largest - larger)
        total = total * fade + tl.sum(share * their_total)
        mixed = mixed * fade + tl.sum(share[:, None] * their_mixed, axis=0)
        largest = larger
    result = (mixed / total).to(result_ptr.dtype.element_ty)
    result_at = (sequence * heads + head).to(tl.int64) * HEAD_DIM + dim
    tl.store(result_ptr + result_at, result, mask=dim < HEAD_DIM)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the first half leaves."""

    mixed: Tensor  # [sequences, kv_heads, chunks, group, head_dim] float32
    largest: Tensor  # [sequences, kv_heads, chunks, group] float32
    total: Tensor  # [sequences, kv_heads, chunks, group] float32

    @classmethod
    def empty(cls, query: Tensor, num_kv_heads: int, num_chunks: int) -> "Parts":
        """query: [sequences, heads, head_dim]"""
        num_sequences, num_heads, head_dim = query.shape
        shape = (num_sequences, num_kv_heads, num_chunks, num_heads // num_kv_heads)

        def memory(*shape: int) -> Tensor:
            return torch.empty(shape, dtype=torch.float32, device=query.device)

        return cls(memory(*shape, head_dim), memory(*shape), memory(*shape))


def merge_launch(
    parts: Parts, positions: Tensor, sinks: Tensor, window: int | None, result: Tensor
) -> Launch:
    """positions: of the queries, sinks: [heads]; the first rows of the result are theirs."""
    num_heads, head_dim = result.shape[1:]
    return Launch(
        merge_body,
        (len(parts.largest), num_heads),
        {
            "mixed_ptr": parts.mixed,
            "largest_ptr": parts.largest,
            "total_ptr": parts.total,
            "positions_ptr": positions,
            "sinks_ptr": sinks,
            "result_ptr": result,
            "num_chunks": parts.largest.shape[2],
        },
        {
            "WINDOW": window,
            "GROUP": parts.largest.shape[3],
            "HEAD_DIM": head_dim,
            "DIM_ROOM": triton.next_power_of_2(head_dim),
            "CHUNK": DECODE_ATTENTION.chunk,
            "TOGETHER": MERGE_CHUNKS,
        },
        MERGE_WARPS,
    )
