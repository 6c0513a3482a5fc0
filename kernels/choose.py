"""One token for each row of scores, with the filters and the draw of `kernels.sample` behind one another.

Scores have penalties, biases and masks in them already. On a GPU this is one launch; elsewhere
`model.sampling` gives each filter only the rows that have it, which is faster, and this form is what both are
tested against.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels import sample
from kernels.philox import uniform


@dataclass(frozen=True, slots=True)
class Draws:
    """What each row asks for: vocab, 1.0 and 0.0 leave the filters out."""

    temperature: Tensor  # [rows] float64; 0: the greatest score
    top_k: Tensor  # [rows] int64
    top_p: Tensor  # [rows] float64
    min_p: Tensor  # [rows] float64
    seeds: Tensor  # [rows] int64
    positions: Tensor  # [rows] int64
    choices: Tensor  # [rows] int64


def choose(scores: Tensor, draws: Draws) -> Tensor:
    """scores: [rows, vocab] float32 -> token ids [rows] int64, on a GPU."""
    from kernels.gpu import choose as on_gpu

    return on_gpu.choose(scores, draws)


def choose_reference(scores: Tensor, draws: Draws) -> Tensor:
    """The definition, on every device."""
    is_greedy = draws.temperature == 0
    scaled = sample.scale(scores, draws.temperature.where(~is_greedy, 1.0))
    weights = sample.keep_top(scaled, sample.weigh(scaled), draws.top_k, draws.top_p)
    weights = sample.keep_min_p(weights, draws.min_p)
    drawn = sample.draw(weights, uniform(draws.seeds, draws.positions, choices=draws.choices))
    return torch.where(is_greedy, scores.argmax(dim=1), drawn)
