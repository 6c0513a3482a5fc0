import math

import pytest
import torch

from kernels.rmsnorm import add_rmsnorm, rmsnorm


def test_against_the_formula_in_float64() -> None:
    x, scale = torch.randn(3, 7) * 4, torch.randn(7)
    for row, found in zip(x.tolist(), rmsnorm(x, scale, 1e-5).tolist(), strict=True):
        root = math.sqrt(sum(value * value for value in row) / 7 + 1e-5)
        assert found == pytest.approx(
            [v / root * s for v, s in zip(row, scale.tolist(), strict=True)], rel=1e-5
        )


def test_epsilon_counts() -> None:
    assert rmsnorm(torch.full((1, 4), 1e-3), torch.ones(4), 1e-2)[0, 0] == pytest.approx(0.01, rel=1e-3)


def test_scale_is_applied_before_the_downcast() -> None:
    x = torch.randn(5, 96).bfloat16()
    scale = (1 + torch.randn(96) / 3).bfloat16()
    expected = rmsnorm(x.float(), scale.float(), 1e-5).bfloat16()
    downcast_first = rmsnorm(x, torch.ones(96), 1e-5) * scale
    assert torch.equal(rmsnorm(x, scale, 1e-5), expected)
    assert not torch.equal(downcast_first, expected)  # the test can tell the two apart


def test_behind_a_sum() -> None:
    x, delta, scale = torch.randn(4, 9).bfloat16(), torch.randn(4, 9).bfloat16(), torch.randn(9).bfloat16()
    total, normed = add_rmsnorm(x, delta, scale, 1e-5)
    assert torch.equal(total, x + delta)
    assert torch.equal(normed, rmsnorm(x + delta, scale, 1e-5))
