"""What int8 activations mean, in plain torch: the rows that the kernels multiply with."""

import torch
from torch import Tensor

from kernels.mxfp4 import BLOCK_VALUES


def through_int8(x: Tensor) -> Tensor:
    """x: [rows, in], finite -> the nearest rows of 32 whole numbers to a scale, float64.

    The scale is the largest magnitude / 127, rounded up to eight significant bits.
    """
    blocks = x.float().view(len(x), -1, BLOCK_VALUES)  # [rows, in / 32, 32]
    quotient = blocks.abs().amax(dim=-1, keepdim=True) / 127
    mantissa, exponent = torch.frexp(quotient.double())
    scale = torch.ldexp(torch.ceil(mantissa * 256) / 256, exponent)  # [rows, in / 32, 1]
    inverse = torch.where(scale > 0, 1 / scale.float(), 0.0)
    return ((blocks * inverse).round().double() * scale).view_as(x)
