"""MXFP8 rows on a GPU: gather and pack for the wire, and unpack.

                                                      format and reference: kernels/mxfp8.py
    x [all rows, hidden], rows [rows] int64           values [rows, hidden] E4M3, exponents [rows, blocks]
    uint8

E4M3 is made and read as bits, so that sm_80, which has no such type, does it too, and no conversion decides
what happens at the edges. A program takes a piece of one row.

Must read each chosen row once, and write one byte a value and one for 32; `unpack` the other way.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.configs import COMBINE_PIECE, ROW_WARPS
from kernels.gpu.launch import Launch
from kernels.mxfp8 import BLOCK

_BLOCK = tl.constexpr(BLOCK)


@triton.jit
def pack_body(
    x_ptr: tl.tensor,
    rows_ptr: tl.tensor,
    values_ptr: tl.tensor,
    exponents_ptr: tl.tensor,
    HIDDEN: tl.constexpr,
    PIECE: tl.constexpr,
    GATHERS: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64)
    source = tl.load(rows_ptr + row) if GATHERS else row
    block = tl.program_id(1) * (PIECE // _BLOCK) + tl.arange(0, PIECE // _BLOCK)
    column = block[:, None] * _BLOCK + tl.arange(0, _BLOCK)[None, :]
    x = tl.load(x_ptr + source * HIDDEN + column, mask=column < HIDDEN, other=0.0).to(tl.float32)
    bits = x.to(tl.int32, bitcast=True)
    largest = tl.max(bits & 0x7FFFFFFF, axis=1)  # as numbers: greater bits are greater magnitudes
    exponent = tl.where(largest == 0, -9, tl.maximum((largest >> 23) - 135, -127))
    is_finite = largest < 0x7F800000
    factor = ((127 - exponent) << 23).to(tl.float32, bitcast=True)
    scaled = tl.minimum(tl.abs(x) * factor[:, None], 448.0)
    scaled_bits = scaled.to(tl.int32, bitcast=True)
    to_even = scaled_bits + 0x7FFFF + ((scaled_bits >> 20) & 1)
    normal = (to_even >> 20) - (120 << 3)
    subnormal = (scaled + 16384.0).to(tl.int32, bitcast=True) - 0x46800000  # of 2¹⁴, whose last bit is 2⁻⁹
    magnitude = tl.where(scaled < 0.015625, subnormal, normal)  # 2⁻⁶
    values = magnitude | ((bits >> 24) & 0x80)
    tl.store(values_ptr + row * HIDDEN + column, values.to(tl.uint8), mask=column < HIDDEN)
    exponents = tl.where(is_finite, exponent + 127, 255)
    NUM_BLOCKS: tl.constexpr = (HIDDEN + _BLOCK - 1) // _BLOCK
    tl.store(exponents_ptr + row * NUM_BLOCKS + block, exponents.to(tl.uint8), mask=block < NUM_BLOCKS)


@triton.jit
def unpack_body(
    values_ptr: tl.tensor,
    exponents_ptr: tl.tensor,
    x_ptr: tl.tensor,
    HIDDEN: tl.constexpr,
    PIECE: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1) * (PIECE // _BLOCK) + tl.arange(0, PIECE // _BLOCK)
    column = block[:, None] * _BLOCK + tl.arange(0, _BLOCK)[None, :]
    NUM_BLOCKS: tl.constexpr = (HIDDEN + _BLOCK - 1) // _BLOCK
    exponents = tl.load(exponents_ptr + row * NUM_BLOCKS + block, mask=block < NUM_BLOCKS, other=0)
    exponents = exponents.to(tl.int32)
    powers = tl.where(exponents == 0, 0x400000, exponents << 23)  # 2⁻¹²⁷ has no leading one
    powers = tl.where(exponents == 255, 0x7FC00000, powers).to(tl.float32, bitcast=True)
    bits = tl.load(values_ptr + row * HIDDEN + column, mask=column < HIDDEN, other=0).to(tl.int32)
    magnitude = bits & 0x7F
    normal = ((magnitude << 20) + (120 << 23)).to(tl.float32, bitcast=True)
    values = tl.where(magnitude < 8, magnitude.to(tl.float32) * 0.001953125, normal)  # 2⁻⁹
    values = tl.where(magnitude == 0x7F, float("nan"), values)
    x = tl.where(bits >= 0x80, -values, values) * powers[:, None]
    tl.store(x_ptr + row * HIDDEN + column, x.to(x_ptr.dtype.element_ty), mask=column < HIDDEN)


def pack_launch(x: Tensor, rows: Tensor | None, values: Tensor, exponents: Tensor) -> Launch:
    """values: [rows, hidden] uint8"""
    assert x.is_contiguous()
    num_rows, hidden = values.shape
    return Launch(
        pack_body,
        (num_rows, triton.cdiv(hidden, COMBINE_PIECE)),
        {
            "x_ptr": x,
            "rows_ptr": exponents if rows is None else rows,
            "values_ptr": values,
            "exponents_ptr": exponents,
        },
        {"HIDDEN": hidden, "PIECE": COMBINE_PIECE, "GATHERS": rows is not None},
        ROW_WARPS,
    )


def unpack_launch(values: Tensor, exponents: Tensor, x: Tensor) -> Launch:
    """values: [rows, hidden] uint8"""
    assert values.is_contiguous()
    assert exponents.is_contiguous()
    num_rows, hidden = values.shape
    return Launch(
        unpack_body,
        (num_rows, triton.cdiv(hidden, COMBINE_PIECE)),
        {"values_ptr": values, "exponents_ptr": exponents, "x_ptr": x},
        {"HIDDEN": hidden, "PIECE": COMBINE_PIECE},
        ROW_WARPS,
    )


def pack(x: Tensor, rows: Tensor | None) -> tuple[Tensor, Tensor]:
    """Called by `kernels.mxfp8.pack`."""
    num_rows, hidden = len(x) if rows is None else len(rows), x.shape[1]
    values = torch.empty(num_rows, hidden, dtype=torch.uint8, device=x.device)
    exponents = torch.empty(num_rows, -(-hidden // BLOCK), dtype=torch.uint8, device=x.device)
    pack_launch(x, rows, values, exponents).run()
    return values.view(torch.float8_e4m3fn), exponents


def unpack(values: Tensor, exponents: Tensor, dtype: torch.dtype) -> Tensor:
    """Called by `kernels.mxfp8.unpack`."""
    x = torch.empty(values.shape, dtype=dtype, device=values.device)
    unpack_launch(values.view(torch.uint8), exponents, x).run()
    return x
