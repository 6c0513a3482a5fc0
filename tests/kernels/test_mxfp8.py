"""MXFP8 rows: what is gathered, how near it comes, what is not finite."""

import torch

from kernels.mxfp8 import pack, unpack


def test_rows_are_gathered() -> None:
    x = torch.randn(4, 70)
    rows = torch.tensor([3, 0, 3])
    values, exponents = pack(x, rows)
    assert (values.shape, exponents.shape) == ((3, 70), (3, 3))
    every_value, every_exponent = pack(x)
    assert torch.equal(values.view(torch.uint8), every_value.view(torch.uint8)[rows])
    assert torch.equal(exponents, every_exponent[rows])


def test_values_come_back_with_three_bits_behind_the_first() -> None:
    x = torch.randn(5, 96) * 10.0 ** torch.randint(-20, 20, (5, 1))
    values, exponents = pack(x)
    power = torch.exp2(exponents.double() - 127).repeat_interleave(32, dim=1)  # [5, 96]
    error = (unpack(values, exponents, torch.float32) - x).double().abs()
    half_a_step = torch.maximum(x.abs() / 16, power * 2.0**-10)  # of a value, or of the least that there is
    is_cut = x.abs() > 448 * power
    assert (error[~is_cut] <= half_a_step[~is_cut]).all()
    assert (error[is_cut] <= x[is_cut].abs() / 8).all()  # 448 is 7/8 of the next power of two


def test_what_is_not_finite_is_known_by_its_block() -> None:
    x = torch.randn(1, 64)
    x[0, 5] = torch.inf
    found = unpack(*pack(x), torch.bfloat16)
    assert found.dtype == torch.bfloat16
    assert found[0, :32].isnan().all()
    assert found[0, 32:].isfinite().all()
