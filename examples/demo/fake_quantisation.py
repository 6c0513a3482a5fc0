"""Weights as MXFP4 will have them, while they are trained: rounded on the way forward, not on the way back.

The values are exactly those of `kernels.mxfp4.dequantize(quantize(weight))`, which is the definition; this is
that in few float operations, fit for every step. Called by `network`.
"""

import torch
from torch import Tensor

from kernels.mxfp4 import BLOCK_VALUES

_LARGEST = 6.0
_LARGEST_EXPONENT = 2  # of 6.0 = 1.5 · 2²


def as_mxfp4(weight: Tensor) -> Tensor:
    """weight: [..., in] float32 -> the same shape; gradients pass as they are."""
    rounded: Tensor = _Rounding.apply(weight)  # type: ignore[no-untyped-call]
    return rounded


def rounded_to_mxfp4(weight: Tensor) -> Tensor:
    """The values alone, in float32."""
    blocked = weight.view(*weight.shape[:-1], -1, BLOCK_VALUES)  # [..., in / 32, 32]
    largest = blocked.abs().amax(dim=-1, keepdim=True)  # [..., in / 32, 1]
    exponent = torch.frexp(largest).exponent - 1 - _LARGEST_EXPONENT
    scale = torch.ldexp(torch.ones_like(largest), exponent.clamp(-126, 127))
    scaled = (blocked / scale).clamp(-_LARGEST, _LARGEST)
    # Between 2 and 4 codes are twice as far apart as below, and from 4 on twice as far again.
    magnitude = scaled.abs()
    spacing = 0.5 + 0.5 * (magnitude >= 2) + (magnitude >= 4)
    rounded: Tensor = torch.round(scaled / spacing) * spacing * scale
    return rounded.flatten(-2)


class _Rounding(torch.autograd.Function):
    @staticmethod
    def forward(_: object, weight: Tensor) -> Tensor:
        return rounded_to_mxfp4(weight)

    @staticmethod
    def backward(_: object, gradient: Tensor) -> Tensor:
        return gradient
