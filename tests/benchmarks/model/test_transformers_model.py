from pathlib import Path

import pytest
import torch

from benchmarks.model.transformers_model import BFLOAT16, FLOAT32, Transformers, load_transformers
from tests.benchmarks.model.contender_checks import ROWS, logits_likeliest, share_of_equal, steps_likeliest
from tests.model.test_oracle import load_oracle


@pytest.fixture(scope="module")
def loaded(small: Path) -> dict[str, Transformers]:
    return dict(load_transformers(small))


def test_widened_logits_are_those_of_a_float32_model(small: Path, loaded: dict[str, Transformers]) -> None:
    oracle = load_oracle(small, torch.float32)
    oracle.set_experts_implementation("eager")  # which adds in another order than its default
    with torch.inference_mode():
        expected = oracle(torch.tensor([ROWS[0]])).logits[0]
    assert torch.equal(loaded[FLOAT32].logits(ROWS[0]), expected)


def test_widening_leaves_the_weights_as_they_were(loaded: dict[str, Transformers]) -> None:
    before = loaded[BFLOAT16].logits(ROWS[1])
    loaded[FLOAT32].logits(ROWS[1])
    assert torch.equal(loaded[BFLOAT16].logits(ROWS[1]), before)


def test_steps_follow_the_logits(loaded: dict[str, Transformers]) -> None:
    contender = loaded[BFLOAT16]
    # In bfloat16 a step in company rounds otherwise than one alone, and two logits of 211 may change places.
    assert share_of_equal(steps_likeliest(contender), logits_likeliest(contender)) > 0.8
    assert steps_likeliest(contender) == steps_likeliest(contender)
