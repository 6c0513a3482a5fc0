"""The steps of sampling together: draws by chi-square, the chain against transformers, a row in any batch."""

import pytest
import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from kernels.philox import uniform
from kernels.sample import Cells, Penalties, draw, keep_min_p, keep_top, penalise, scale, weigh
from tests.chi_square import FALSE_ALARM, p_value
from tests.kernels.test_sample import integers, reals


def draws(temperature: float) -> Tensor:
    """[37] how often each token was drawn in 40,000 positions of one seed."""
    logits = torch.randn(1, 37, generator=torch.Generator().manual_seed(2))
    weights = weigh(scale(logits, reals(temperature))).expand(40_000, 37).contiguous()
    chances = uniform(torch.full((40_000,), 123), torch.arange(40_000))
    return draw(weights, chances).bincount(minlength=37)


def expected_draws(temperature: float) -> list[float]:
    logits = torch.randn(1, 37, generator=torch.Generator().manual_seed(2)).double()
    shares: list[float] = ((logits / temperature).softmax(dim=1)[0] * 40_000).tolist()
    return shares


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature: float) -> None:
    assert p_value(draws(temperature).tolist(), expected_draws(temperature)) > FALSE_ALARM


def test_draws_at_another_temperature_would_show() -> None:
    assert p_value(draws(0.95).tolist(), expected_draws(1.0)) < FALSE_ALARM


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p", "min_p"),
    [
        (0.7, 501, 1.0, 0.0),
        (1.3, 40, 1.0, 0.0),
        (0.9, 501, 0.8, 0.0),
        (1.0, 501, 1.0, 0.1),
        (1.1, 60, 0.9, 0.04),
    ],
)
def test_agrees_with_transformers(temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    """The whole chain where both definitions agree: without ties, and within 13 decades of the likeliest.

    transformers keeps every token that equals the last of the top-k, leaves to an unstable sort which of
    equals falls out of top-p, and gives a chance to tokens 10⁻¹⁴ as likely as the likeliest; we do not.
    """
    generator = torch.Generator().manual_seed(9)
    logits = torch.randn(3, 501, generator=generator) * 2  # [3, 501]
    history = torch.randint(0, 501, (3, 29), generator=generator)  # [3, 29]
    peer = LogitsProcessorList(
        [
            RepetitionPenaltyLogitsProcessor(1.3),
            TemperatureLogitsWarper(temperature),
            TopKLogitsWarper(top_k),
            TopPLogitsWarper(top_p),
            MinPLogitsWarper(min_p),
        ]
    )
    theirs = peer(history, logits.clone()).softmax(dim=1)  # [3, 501]

    places = sorted({(row, token) for row in range(3) for token in history[row].tolist()})
    cells = Cells(*integers(*(number for place in places for number in place)).view(-1, 2).unbind(dim=1))
    zeros, ones = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    scores = penalise(logits, cells, torch.zeros_like(cells.rows), Penalties(ones * 1.3, zeros, zeros))
    scaled = scale(scores, ones * temperature)
    weights = keep_top(scaled, weigh(scaled), torch.full((3,), top_k), ones * top_p)
    weights = keep_min_p(weights, ones * min_p)
    ours = weights.double() / weights.sum(dim=1, keepdim=True)  # [3, 501]
    # What is not kept is 0 in both, so the kept sets agree; float32 softmax is good to about 1e-6.
    assert torch.equal(ours.bool(), theirs.bool())
    assert torch.allclose(ours, theirs.double(), rtol=1e-5, atol=0)


def chain(logits: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Weights and tokens of rows whose parameters depend on their index in a larger batch."""
    index = torch.arange(start, start + len(logits))  # [rows]
    scaled = scale(logits, 0.6 + 0.05 * index.double())
    top_k = torch.where(index % 2 == 0, logits.shape[1], 3)  # [rows]
    top_p = 1 - 0.1 * (index % 3 + 1).double()  # [rows]
    weights = keep_top(scaled, weigh(scaled), top_k, top_p)
    weights = keep_min_p(weights, 1e-4 * (index % 5).double())
    return weights, draw(weights, uniform(index, index * 7))


@pytest.mark.parametrize("vocab", [5, 1003, 40_009])
def test_a_row_has_the_same_bits_alone_and_at_any_place_of_any_batch(vocab: int) -> None:
    """The odd sizes put rows across the vector registers and, at 40,009, across threads."""
    logits = torch.randn(11, vocab, generator=torch.Generator().manual_seed(4)) * 4
    weights, tokens = chain(logits, 0)
    for size in (1, 3, 7):
        for start in range(0, 12 - size, size):
            part = slice(start, start + size)
            own_weights, own_tokens = chain(logits[part].clone(), start)
            assert torch.equal(own_weights, weights[part])
            assert torch.equal(own_tokens, tokens[part])
