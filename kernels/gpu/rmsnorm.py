"""Root-mean-square norm on a GPU, alone or behind a residual sum.

    total = x + delta, rounded as it is stored       normed = total / √(mean(total²) + ε) · scale
                                                     formula and reference: kernels/rmsnorm.py
    x, delta, total, normed [rows, hidden]           scale [hidden]

One program a row, which stays in registers between the two passes over it.

Must read and write each row once: 2 · rows · hidden values; behind a sum 4.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.configs import ROW_WARPS
from kernels.gpu.launch import Launch


@triton.jit
def rmsnorm_body(
    x_ptr: tl.tensor,
    delta_ptr: tl.tensor,
    scale_ptr: tl.tensor,
    total_ptr: tl.tensor,
    normed_ptr: tl.tensor,
    eps: float,
    HIDDEN: tl.constexpr,
    ROOM: tl.constexpr,
    HAS_DELTA: tl.constexpr,
) -> None:
    """ROOM: the power of two that holds HIDDEN. Without a delta nothing is written to `total`."""
    row = tl.program_id(0).to(tl.int64) * HIDDEN
    column = tl.arange(0, ROOM)
    is_there = column < HIDDEN
    wide = tl.load(x_ptr + row + column, mask=is_there, other=0.0).to(tl.float32)
    if HAS_DELTA:
        wide += tl.load(delta_ptr + row + column, mask=is_there, other=0.0).to(tl.float32)
        total = wide.to(total_ptr.dtype.element_ty)
        tl.store(total_ptr + row + column, total, mask=is_there)
        wide = total.to(tl.float32)
    inverse = tl.rsqrt(tl.sum(wide * wide) / HIDDEN + eps)
    scale = tl.load(scale_ptr + column, mask=is_there, other=0.0).to(tl.float32)
    normed = (wide * inverse * scale).to(normed_ptr.dtype.element_ty)
    tl.store(normed_ptr + row + column, normed, mask=is_there)


def rmsnorm_launch(
    x: Tensor, delta: Tensor | None, scale: Tensor, eps: float, total: Tensor, normed: Tensor
) -> Launch:
    assert x.is_contiguous()
    assert delta is None or (delta.is_contiguous() and delta.shape == x.shape)
    num_rows, hidden = x.shape
    return Launch(
        rmsnorm_body,
        (num_rows,),
        {
            "x_ptr": x,
            "delta_ptr": x if delta is None else delta,
            "scale_ptr": scale,
            "total_ptr": total,
            "normed_ptr": normed,
            "eps": eps,
        },
        {"HIDDEN": hidden, "ROOM": triton.next_power_of_2(hidden), "HAS_DELTA": delta is not None},
        ROW_WARPS,
    )


def rmsnorm(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    """Called by `kernels.rmsnorm.rmsnorm`."""
    normed = torch.empty_like(x)
    rmsnorm_launch(x, None, scale, eps, normed, normed).run()
    return normed


def add_rmsnorm(x: Tensor, delta: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Called by `kernels.rmsnorm.add_rmsnorm`."""
    total, normed = torch.empty_like(x), torch.empty_like(x)
    rmsnorm_launch(x, delta, scale, eps, total, normed).run()
    return total, normed
