"""Rotary position embedding, half-split, with YaRN: a table of angles, and the rotation.

For pair i of a head (components i and i + head_dim / 2) and position p the angle is p · f_i. YaRN keeps f_i
of the fast pairs, divides that of the slow ones by `factor`, and blends linearly between the two bounds;
cos and sin are multiplied by the concentration 0.1 · ln(factor) + 1.

The table is computed once, by position, so that equal positions have equal bits in every batch.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class RotaryTable:
    """cos and sin of every angle, concentration included."""

    cos: Tensor  # [positions, head_dim / 2] float32
    sin: Tensor  # [positions, head_dim / 2] float32

    def to(self, device: torch.device) -> "RotaryTable":
        """Angles are computed on the CPU and copied, so that every device has the same ones."""
        return RotaryTable(self.cos.to(device), self.sin.to(device))


def rotary_table(
    num_positions: int,
    head_dim: int,
    *,
    theta: float,
    factor: float,
    original_positions: int,
    beta_fast: float,
    beta_slow: float,
    truncate: bool,
) -> RotaryTable:
    """The angles of positions 0 … num_positions − 1."""
    low, high = yarn_bounds(head_dim, theta, original_positions, beta_fast, beta_slow, truncate=truncate)
    pair = torch.arange(head_dim // 2, dtype=torch.float64)  # [head_dim / 2]
    fast = theta ** (-2.0 * pair / head_dim)  # [head_dim / 2]
    slowed = ((pair - low) / (high - low)).clamp(0, 1)  # 0: as trained, 1: divided by the factor
    frequency = fast * (1 - slowed) + fast / factor * slowed  # [head_dim / 2]
    position = torch.arange(num_positions, dtype=torch.float32)
    # The product is rounded to float32, as it was when the model was trained.
    angle = position[:, None] * frequency.float()  # [positions, head_dim / 2]
    concentration = 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0
    return RotaryTable(cos=angle.cos() * concentration, sin=angle.sin() * concentration)


def yarn_bounds(
    head_dim: int,
    theta: float,
    original_positions: int,
    beta_fast: float,
    beta_slow: float,
    *,
    truncate: bool,
) -> tuple[float, float]:
    """Where YaRN blends: the pairs that turn beta_fast and beta_slow times in the original context."""

    def pair_that_turns(times: float) -> float:
        return head_dim * math.log(original_positions / (times * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair_that_turns(beta_fast), pair_that_turns(beta_slow)
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0.0), min(high, head_dim - 1.0)
    return low, high if high > low else low + 0.001


def rotate(x: Tensor, table: RotaryTable, positions: Tensor) -> Tensor:
    """x: [tokens, heads, head_dim], positions: [tokens] -> the same shape and dtype, rotated in float32."""
    cos = table.cos[positions][:, None, :]  # [tokens, 1, head_dim / 2]
    sin = table.sin[positions][:, None, :]
    first, second = x.float().chunk(2, dim=-1)  # each [tokens, heads, head_dim / 2]
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)
