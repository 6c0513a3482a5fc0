"""Weights as MXFP4 will have them, while they are trained: rounded on the way forward, not on the way back.

The values are exactly those of `kernels.mxfp4.dequantize(quantize(weight))`, which is the definition; this is
that in few passes over memory, fit for every step. Called by `network`.
"""

import torch
from torch import Tensor

from kernels.mxfp4 import BLOCK_VALUES

_LARGEST = 6.0
_LARGEST_EXPONENT = 2  # of 6.0 = 1.5 · 2²
_MANTISSA_BITS = 23  # of float32
_EXPONENT_MASK = 0x7F80_0000
_ROUNDS_TO_HALF = 1.5 * 2.0**22
"""Added to a number below 2 and taken away again, it leaves the nearest multiple of 0.5, or the even one."""


def as_mxfp4(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """weight: [..., in] float32 -> the same shape; gradients pass as they are."""
    rounded: Tensor = _Rounding.apply(weight, dtype)  # type: ignore[no-untyped-call]
    return rounded


def rounded_to_mxfp4(weight: Tensor) -> Tensor:
    """The values alone, in float32."""
    blocked = weight.view(*weight.shape[:-1], -1, BLOCK_VALUES)  # [..., in / 32, 32]
    exponent = _exponent(_largest(blocked)) - _LARGEST_EXPONENT  # [..., in / 32, 1]
    scaled = (blocked * _power_of_two(-exponent)).clamp_(-_LARGEST, _LARGEST)
    # Codes are half a number's power of two apart, and half of one below that.
    power = (scaled.view(torch.int32) & _EXPONENT_MASK).view(torch.float32)
    rounder = power.clamp_(min=1.0).mul_(_ROUNDS_TO_HALF)
    rounded = scaled.add_(rounder).sub_(rounder).mul_(_power_of_two(exponent))
    return rounded.flatten(-2)


def _largest(blocked: Tensor) -> Tensor:
    """The largest magnitude of each block, by halves: [..., 32] -> [..., 1]"""
    largest = blocked.abs()
    while largest.shape[-1] > 1:
        largest = torch.maximum(*largest.chunk(2, dim=-1))
    return largest


def _exponent(x: Tensor) -> Tensor:
    """Of positive numbers, floor(log2(x)), in float32's range; int32."""
    return (x.view(torch.int32) >> _MANTISSA_BITS) - 127


def _power_of_two(exponent: Tensor) -> Tensor:
    return (exponent.clamp(-126, 127) + 127 << _MANTISSA_BITS).view(torch.float32)


class _Rounding(torch.autograd.Function):
    @staticmethod
    def forward(_: object, weight: Tensor, dtype: torch.dtype) -> Tensor:
        return rounded_to_mxfp4(weight).to(dtype)

    @staticmethod
    def backward(_: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.float(), None
