"""The definition of MXFP4, value by value, written again from its bits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.mxfp4 import BLOCK_BYTES, BLOCK_VALUES, PackedMatrix, dequantize, quantize

EDGE_SCALES = [0, 1, 2, 63, 126, 127, 128, 129, 200, 253, 254]


def e2m1(nibble: int) -> float:
    """Sign, two exponent bits (bias 1), one mantissa bit; exponent 0 is subnormal."""
    sign = -1.0 if nibble & 8 else 1.0
    exponent, mantissa = (nibble >> 1) & 3, nibble & 1
    return sign * (mantissa * 0.5 if exponent == 0 else (1 + mantissa / 2) * 2.0 ** (exponent - 1))


def every_byte(scale: int) -> PackedMatrix:
    """256 bytes as one row of 16 blocks that share a scale."""
    blocks = torch.arange(256, dtype=torch.uint8).view(1, 16, BLOCK_BYTES)
    return PackedMatrix(blocks=blocks, scales=torch.full((1, 16), scale, dtype=torch.uint8))


@pytest.mark.parametrize("scale", EDGE_SCALES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_byte_has_the_defined_bits(scale: int, dtype: torch.dtype) -> None:
    expected = [e2m1(n) * 2.0 ** (scale - 127) for byte in range(256) for n in (byte & 15, byte >> 4)]
    found = dequantize(every_byte(scale), dtype)
    # float64 holds every product exactly; the one rounding is the cast, which overflows to infinity.
    wanted = torch.tensor(expected, dtype=torch.float64).view(1, 512).to(dtype)
    bits = torch.int32 if dtype is torch.float32 else torch.int16
    assert torch.equal(found.view(bits), wanted.view(bits))


def test_scale_255_is_nan() -> None:
    assert dequantize(every_byte(255), torch.float32).isnan().all()


def test_leading_axes_are_kept() -> None:
    blocks = torch.randint(0, 256, (3, 5, 2, BLOCK_BYTES), dtype=torch.uint8)
    scales = torch.randint(100, 150, (3, 5, 2), dtype=torch.uint8)
    whole = dequantize(PackedMatrix(blocks, scales), torch.float32)
    assert whole.shape == (3, 5, 64)
    assert torch.equal(whole[2], dequantize(PackedMatrix(blocks[2], scales[2]), torch.float32))


@pytest.mark.parametrize("scale", EDGE_SCALES[1:-2])
def test_what_mxfp4_holds_survives_quantisation(scale: int) -> None:
    # Every block below holds a 6, so that its scale is the only one that fits.
    codes = torch.arange(16, dtype=torch.uint8).repeat(2)
    packed = PackedMatrix(
        blocks=(codes[0::2] | codes[1::2] << 4).view(1, 1, BLOCK_BYTES),
        scales=torch.tensor([[scale]], dtype=torch.uint8),
    )
    again = quantize(dequantize(packed, torch.float32))
    assert torch.equal(again.scales, packed.scales)
    assert torch.equal(dequantize(again, torch.float32), dequantize(packed, torch.float32))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(-100, 100))
def test_quantisation_picks_a_nearest_value(seed: int, log2_size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = (torch.randn(3, BLOCK_VALUES, generator=generator) * 2.0**log2_size).double()
    packed = quantize(weight.float())
    found = dequantize(packed, torch.float32).double()
    table = torch.tensor([e2m1(n) for n in range(16)], dtype=torch.float64)
    grid = table * torch.exp2(packed.scales.double() - 127)[..., None]  # [3, 1, 16]
    nearest = (weight.float().double()[..., None] - grid).abs().amin(dim=-1)
    assert torch.equal((weight.float().double() - found).abs(), nearest)


def test_a_tie_goes_to_the_even_code() -> None:
    # With a 6 in the block the scale is 1, and the midpoints are between these neighbours.
    midpoints = {0.25: 0.0, 0.75: 1.0, 1.25: 1.0, 1.75: 2.0, 2.5: 2.0, 3.5: 4.0, 5.0: 4.0}
    row = torch.zeros(1, BLOCK_VALUES)
    row[0, : len(midpoints)] = torch.tensor(list(midpoints))
    row[0, -1] = 6.0
    found = dequantize(quantize(row), torch.float32)
    assert found[0, : len(midpoints)].tolist() == list(midpoints.values())


def test_a_block_of_zeros_is_zeros() -> None:
    packed = quantize(torch.zeros(2, BLOCK_VALUES))
    assert not dequantize(packed, torch.float32).any()
    assert math.isfinite(float(packed.scales[0, 0]))
