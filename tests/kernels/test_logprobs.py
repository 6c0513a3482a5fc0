import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.logprobs import likeliest, log_probabilities

HALVES = st.lists(st.integers(-60, 60).map(lambda number: number / 2), min_size=1, max_size=41)


@settings(deadline=None)
@given(HALVES)
def test_log_probabilities_are_those_of_the_softmax(row: list[float]) -> None:
    every_token = torch.arange(len(row))[None]  # [1, vocab]
    logprobs = log_probabilities(torch.tensor([row]), every_token)
    assert logprobs.dtype == torch.float64
    log_total = math.log(math.fsum(math.exp(logit - max(row)) for logit in row))
    for logit, logprob in zip(row, logprobs[0].tolist(), strict=True):
        # The sum is of float32 exponentials, each good to 2⁻²²; everything else is float64.
        assert logprob == pytest.approx(logit - max(row) - log_total, rel=1e-12, abs=2**-22)


def test_a_certain_token_keeps_its_digits() -> None:
    """1 − p is 2 e⁻²⁰ = 4e-9: in float32, log p would be 0."""
    logprob = float(log_probabilities(torch.tensor([[0.0, 20.0, 0.0]]), torch.tensor([[1]])))
    assert logprob == pytest.approx(-2 * math.exp(-20), rel=1e-4)  # a weight of e⁻²⁰ has 15 of the 44 bits


def test_a_whole_vocabulary_of_equals() -> None:
    logprobs = log_probabilities(torch.full((2, 201_088), -3.25), torch.tensor([[0], [201_087]]))
    assert logprobs.flatten().tolist() == pytest.approx([-math.log(201_088)] * 2, rel=1e-12)


@settings(deadline=None)
@given(HALVES, st.integers(0, 5))
def test_likeliest_come_first_and_of_equals_the_lowest_id(row: list[float], num_tokens: int) -> None:
    num_tokens = min(num_tokens, len(row))
    expected = sorted(range(len(row)), key=lambda token: (-row[token], token))[:num_tokens]
    assert likeliest(torch.tensor([row]), num_tokens).tolist() == [expected]


@pytest.mark.parametrize("vocab", [3, 1003, 40_009])
def test_a_row_has_the_same_bits_alone_and_at_any_place_of_any_batch(vocab: int) -> None:
    generator = torch.Generator().manual_seed(6)
    logits = torch.randn(11, vocab, generator=generator) * 4  # [11, vocab]
    token_ids = torch.randint(0, vocab, (11, 2), generator=generator)  # [11, 2]
    together = log_probabilities(logits, token_ids)
    for size in (1, 2, 3, 7):
        for start in range(12 - size):
            part = slice(start, start + size)
            assert torch.equal(log_probabilities(logits[part].clone(), token_ids[part]), together[part])
