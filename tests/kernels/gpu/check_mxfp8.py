"""MXFP8 rows, interpreted, against the reference: the same bits, at every edge of the format."""

import pytest
import torch

from kernels.gpu.mxfp8 import pack, pack_launch, unpack, unpack_launch
from kernels.mxfp8 import pack_reference, unpack_reference


@pytest.mark.parametrize(("num_rows", "hidden"), [(1, 2880), (3, 64), (5, 70), (2, 7)])
def test_there_and_back(num_rows: int, hidden: int) -> None:
    x = torch.randn(9, hidden) * 10.0 ** torch.randint(-12, 9, (9, 1))
    x[:, ::5] *= 1e-4  # some that become subnormal beside the largest of their block
    rows = torch.randint(0, 9, (num_rows,))
    values = torch.full((num_rows, hidden), 0x7F, dtype=torch.uint8)
    exponents = torch.full((num_rows, -(-hidden // 32)), 255, dtype=torch.uint8)
    pack_launch(x, rows, values, exponents).run()
    expected_values, expected_exponents = pack_reference(x[rows])
    assert torch.equal(values, expected_values.view(torch.uint8))
    assert torch.equal(exponents, expected_exponents)
    found = torch.full((num_rows, hidden), torch.nan)
    unpack_launch(values, exponents, found).run()
    assert torch.equal(found, unpack_reference(expected_values, expected_exponents))


def test_every_rounding_of_one_block() -> None:
    """448 sets the scale to one; around it, all that E4M3 can say, and what lies between."""
    codes = torch.arange(0x7F, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    between = (codes[1:] + codes[:-1]) / 2  # ties go to even
    points = torch.cat(
        [codes, between, between * (1 + 1e-6), between * (1 - 1e-6), torch.tensor([463.9, 500.0])]
    )
    x = torch.zeros(len(points), 32)
    x[:, 0], x[:, 1], x[:, 2] = 448.0, points, -points
    values, exponents = pack(x, None)
    expected_values, expected_exponents = pack_reference(x)
    assert torch.equal(exponents, expected_exponents)
    assert torch.equal(values.view(torch.uint8), expected_values.view(torch.uint8))


def test_every_byte_is_read() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(8, 32).view(torch.float8_e4m3fn)
    for exponent in (0, 1, 127, 245):
        exponents = torch.full((8, 1), exponent, dtype=torch.uint8)
        found, expected = unpack(values, exponents, torch.float32), unpack_reference(values, exponents)
        assert torch.equal(found.nan_to_num(-7.0), expected.nan_to_num(-7.0))


def test_what_is_not_finite_makes_its_block_one_of_no_numbers() -> None:
    x = torch.randn(3, 96)
    x[0, 40], x[1, 95], x[2, 0] = torch.inf, torch.nan, -torch.inf
    found = unpack(*pack(x, None), torch.float32)
    is_broken = torch.zeros(3, 3, dtype=torch.bool)
    is_broken[0, 1] = is_broken[1, 2] = is_broken[2, 0] = True
    assert torch.equal(found.isnan(), is_broken.repeat_interleave(32, dim=1))


def test_zeros_keep_their_signs() -> None:
    x = torch.tensor([[0.0, -0.0] * 16])
    values, exponents = pack(x, None)
    assert torch.equal(values.view(torch.uint8)[0, :2], torch.tensor([0, 0x80], dtype=torch.uint8))
    assert torch.equal(exponents, pack_reference(x)[1])
