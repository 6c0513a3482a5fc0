"""Combine on a GPU: the sum of a token's expert rows, in slot order, in float32.

    total[t] = ((row[t, 0] + row[t, 1]) + row[t, 2]) + …      formula and reference: kernels/combine.py

    rows [tokens, top_k, hidden]       total [tokens, hidden], the rows' dtype

A program takes a piece of one token; no atomics, so the order of the slots is the order of the sum.

Must read every row and write every sum: (top_k + 1) · tokens · hidden values.
"""

import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.configs import COMBINE_PIECE, ROW_WARPS
from kernels.gpu.launch import Launch


@triton.jit
def combine_body(
    rows_ptr: tl.tensor,
    total_ptr: tl.tensor,
    HIDDEN: tl.constexpr,
    TOP_K: tl.constexpr,
    PIECE: tl.constexpr,
) -> None:
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * PIECE + tl.arange(0, PIECE)
    is_there = column < HIDDEN
    rows_ptr += token * (TOP_K * HIDDEN)
    total = tl.load(rows_ptr + column, mask=is_there, other=0.0).to(tl.float32)
    for slot in tl.static_range(1, TOP_K):
        total += tl.load(rows_ptr + slot * HIDDEN + column, mask=is_there, other=0.0).to(tl.float32)
    tl.store(total_ptr + token * HIDDEN + column, total.to(total_ptr.dtype.element_ty), mask=is_there)


def combine_launch(rows: Tensor, total: Tensor) -> Launch:
    assert rows.is_contiguous()
    num_tokens, top_k, hidden = rows.shape
    return Launch(
        combine_body,
        (num_tokens, triton.cdiv(hidden, COMBINE_PIECE)),
        {"rows_ptr": rows, "total_ptr": total},
        {"HIDDEN": hidden, "TOP_K": top_k, "PIECE": COMBINE_PIECE},
        ROW_WARPS,
    )


def combine(rows: Tensor) -> Tensor:
    """Called by `kernels.combine.combine`."""
    total = rows.new_empty(len(rows), rows.shape[2])
    combine_launch(rows, total).run()
    return total
