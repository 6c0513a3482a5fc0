"""Angles against the formula one by one, and the rotation against complex numbers."""

import math
from dataclasses import dataclass

import pytest
import torch

from kernels.rope import RotaryTable, rotary_table, rotate, yarn_bounds


def gpt_oss_table(num_positions: int, head_dim: int, *, truncate: bool = False) -> RotaryTable:
    return rotary_table(
        num_positions,
        head_dim,
        theta=150_000.0,
        factor=32.0,
        original_positions=4096,
        beta_fast=32.0,
        beta_slow=1.0,
        truncate=truncate,
    )


def test_bounds_of_gpt_oss() -> None:
    low, high = yarn_bounds(64, 150_000.0, 4096, 32.0, 1.0, truncate=False)
    assert low == pytest.approx(8.09278, abs=5e-6)  # the published digits
    assert high == pytest.approx(17.39802, abs=5e-6)
    assert yarn_bounds(64, 150_000.0, 4096, 32.0, 1.0, truncate=True) == (8, 18)


def test_concentration_and_first_angles() -> None:
    table = gpt_oss_table(4, 64)
    assert float(table.cos[0, 0]) == pytest.approx(1.3465736, abs=1e-7)  # float32 rounding of 0.1 ln 32 + 1
    assert not table.sin[0].any()
    assert float(table.sin[1, 0]) == pytest.approx(1.3465736 * math.sin(1.0), abs=2e-7)


@pytest.mark.parametrize("pair", [0, 5, 8, 9, 13, 17, 18, 31])
def test_angle_of_a_pair(pair: int) -> None:
    position, head_dim = 5000, 64
    low, high = 8.092779115512402, 17.39802450158856
    slowed = min(1.0, max(0.0, (pair - low) / (high - low)))
    fast = 150_000.0 ** (-2 * pair / head_dim)
    angle = position * (fast * (1 - slowed) + fast / 32.0 * slowed)
    table = gpt_oss_table(position + 1, head_dim)
    # position · frequency is rounded to float32: half a unit of 5000 is 2.4e-4, times the concentration.
    assert float(table.cos[position, pair]) == pytest.approx(1.3465736 * math.cos(angle), abs=5e-4)
    assert float(table.sin[position, pair]) == pytest.approx(1.3465736 * math.sin(angle), abs=5e-4)


def test_without_stretching_nothing_is_scaled() -> None:
    table = rotary_table(
        3, 8, theta=100.0, factor=1.0, original_positions=64, beta_fast=32.0, beta_slow=1.0, truncate=False
    )
    angle = torch.arange(3)[:, None] * 100.0 ** (-torch.arange(4) / 4)
    assert torch.allclose(table.cos, angle.cos(), atol=1e-6)  # a unit in the last place of float32 angles


@dataclass(frozen=True)
class Case:
    tokens: int
    heads: int
    head_dim: int


@pytest.mark.parametrize("case", [Case(1, 3, 12), Case(7, 2, 10), Case(5, 1, 64)])
def test_rotation_is_a_complex_product_of_the_halves(case: Case) -> None:
    table = gpt_oss_table(300, case.head_dim)
    x = torch.randn(case.tokens, case.heads, case.head_dim)
    positions = torch.randint(0, 300, (case.tokens,))
    half = case.head_dim // 2
    turn = torch.complex(table.cos, table.sin)[positions][:, None]
    turned = torch.complex(x[..., :half], x[..., half:]) * turn
    expected = torch.cat((turned.real, turned.imag), dim=-1)
    assert torch.allclose(rotate(x, table, positions), expected, atol=1e-5)  # float32, values below 6


def test_dtype_is_kept() -> None:
    x = torch.randn(2, 3, 12).bfloat16()
    positions = torch.tensor([3, 9])
    table = gpt_oss_table(10, 12)
    assert torch.equal(rotate(x, table, positions), rotate(x.float(), table, positions).bfloat16())
