"""MXFP8 rows, for the wire: blocks of 32 values in E4M3 that share one power of two (E8M0).

    exponent = ⌊log2(largest |x| of the block)⌋ − 8, as a byte + 127; 255 for a block that is not all finite
    value    = x / 2^exponent, cut to ±448, rounded to even

What lies beyond E4M3's range after scaling is cut to it. A block with a value that is infinite, or no number,
becomes one of no numbers. `pack` gathers rows as it goes: the buffer that is sent holds each row once.
`router.rows` calls.

Reads each row once and writes half of its bfloat16 bytes, and one byte for 32 values; `unpack` the other way.
"""

import torch
from torch import Tensor

from kernels.device import takes_gpu_kernels

BLOCK = 32
_LARGEST = 448.0  # of E4M3
_EXPONENT_OF_LARGEST = 8  # 448 = 1.75 · 2⁸
_BIAS = 127
_NOT_A_NUMBER = 255  # the exponent of a block that holds one that is infinite, or none


def pack(x: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """x: [all rows, hidden], rows: [rows] int64, or all -> E4M3 [rows, hidden], exponents [rows, blocks]."""
    if takes_gpu_kernels(x):
        from kernels.gpu import mxfp8

        return mxfp8.pack(x, rows)
    return pack_reference(x if rows is None else x[rows])


def unpack(values: Tensor, exponents: Tensor, dtype: torch.dtype) -> Tensor:
    """values: [rows, hidden] E4M3, exponents: [rows, blocks] uint8 -> [rows, hidden]"""
    if takes_gpu_kernels(values):
        from kernels.gpu import mxfp8

        return mxfp8.unpack(values, exponents, dtype)
    return unpack_reference(values, exponents).to(dtype)


def pack_reference(x: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, on every device. x: [rows, hidden]"""
    num_rows, hidden = x.shape
    padded = torch.nn.functional.pad(x.float(), (0, -hidden % BLOCK)).view(num_rows, -1, BLOCK)
    largest = padded.abs().amax(dim=-1)  # [rows, blocks]
    exponents = torch.frexp(largest).exponent - 1 - _EXPONENT_OF_LARGEST  # of the shared power of two
    exponents = exponents.clamp(-_BIAS, _BIAS).where(largest.isfinite(), _NOT_A_NUMBER - _BIAS)
    scaled = torch.ldexp(padded, -exponents[..., None]).clamp(-_LARGEST, _LARGEST)
    values = scaled.view(num_rows, -1)[:, :hidden].to(torch.float8_e4m3fn)
    return values, (exponents + _BIAS).to(torch.uint8)


def unpack_reference(values: Tensor, exponents: Tensor) -> Tensor:
    """The definition, on every device. -> [rows, hidden] float32"""
    powers = torch.exp2(torch.arange(256, dtype=torch.float64, device=values.device) - _BIAS)
    powers[_NOT_A_NUMBER] = torch.nan
    of_values = powers.float()[exponents.int()].repeat_interleave(BLOCK, dim=1)[:, : values.shape[1]]
    return values.float() * of_values
