"""MXFP4: blocks of 32 four-bit floats (E2M1) that share one power-of-two scale (E8M0).

    byte j of a block holds value 2j in its low nibble and value 2j + 1 in its high nibble
    nibble = sign · 8 + code, magnitude of code = 0, .5, 1, 1.5, 2, 3, 4, 6
    value  = E2M1 · 2^(scale − 127); scale 255 is NaN

4.25 bits a weight. `dequantize` is the definition that every fast kernel is tested against.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK_VALUES = 32
BLOCK_BYTES = BLOCK_VALUES // 2
NAN_SCALE = 255
_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_LARGEST_EXPONENT = 2  # of 6.0 = 1.5 · 2²


@dataclass(frozen=True, slots=True)
class PackedMatrix:
    """MXFP4 weights of one matrix, or of several along a leading axis."""

    blocks: Tensor  # [..., out, in / 32, 16] uint8
    scales: Tensor  # [..., out, in / 32] uint8

    def __getitem__(self, index: int) -> "PackedMatrix":
        """One of several, along the first axis."""
        return PackedMatrix(self.blocks[index], self.scales[index])


def dequantize(packed: PackedMatrix, dtype: torch.dtype) -> Tensor:
    """-> [..., out, in], exact wherever `dtype` holds the value."""
    device = packed.blocks.device
    # A value of two bits times a power of two is exact in float32, subnormals too, until it overflows.
    exponent = torch.arange(256, dtype=torch.float64, device=device) - 127
    scale_of_byte = torch.exp2(exponent)
    scale_of_byte[NAN_SCALE] = torch.nan
    scale = scale_of_byte.to(torch.float32)[packed.scales.int()]  # [..., out, in / 32]
    values = _value_pairs(device)[packed.blocks.int()]  # [..., out, in / 32, 16, 2]
    scaled = values.flatten(-2) * scale[..., None]  # [..., out, in / 32, 32]
    return scaled.flatten(-2).to(dtype)


def quantize(weight: Tensor) -> PackedMatrix:
    """Nearest MXFP4 weights. weight: [..., out, in], finite.

    The scale is the power of two that brings a block's largest magnitude into the last octave of E2M1;
    what is beyond 6 after that saturates. Ties go to the even code, as in IEEE rounding. For whoever makes
    a checkpoint: serving never quantises weights.
    """
    blocked = weight.float().view(*weight.shape[:-1], -1, BLOCK_VALUES)  # [..., out, in / 32, 32]
    largest = blocked.abs().amax(dim=-1)  # [..., out, in / 32]
    exponent = torch.frexp(largest).exponent - 1 - _LARGEST_EXPONENT  # largest = m · 2^e with 1 ≤ m < 2
    exponent = torch.where(largest > 0, exponent, 0).clamp(-127, 127)
    magnitude = torch.ldexp(blocked.double().abs(), -exponent[..., None])
    code = _nearest_code(magnitude) | (blocked < 0).to(torch.uint8) << 3  # [..., out, in / 32, 32]
    low, high = code[..., 0::2], code[..., 1::2]  # each [..., out, in / 32, 16]
    return PackedMatrix(blocks=low | high << 4, scales=(exponent + 127).to(torch.uint8))


def _nearest_code(magnitude: Tensor) -> Tensor:
    """magnitude: any shape, float64 -> the code 0 … 7 nearest to it, uint8."""
    table = torch.tensor(_MAGNITUDES, dtype=torch.float64, device=magnitude.device)
    midpoints = (table[1:] + table[:-1]) / 2  # [7]
    below = torch.bucketize(magnitude, midpoints)  # a tie goes to the lower code
    is_tie = magnitude == midpoints[below.clamp(max=6)]
    return (below + (is_tie & (below % 2 == 1))).clamp(max=7).to(torch.uint8)


def _value_pairs(device: torch.device) -> Tensor:
    """[256, 2] float32: the two values of every byte, low nibble first."""
    values = torch.tensor([*_MAGNITUDES, *(-m for m in _MAGNITUDES)], device=device)  # [16]
    byte = torch.arange(256, device=device)
    return torch.stack((values[byte & 15], values[byte >> 4]), dim=-1)
