"""A few hundred of the inputs of `fuzz`, at other seeds each time it is changed."""

import asyncio

import pytest

from model.tokenizer import Tokenizer
from tests.gateway.http_face.fuzz import FEW, fuzz

NUM_INPUTS = 250


@pytest.mark.parametrize("seed", [11, 12])
def test_no_input_is_answered_by_a_fault(seed: int, tokenizer: Tokenizer) -> None:
    statuses, remains = asyncio.run(fuzz(tokenizer, NUM_INPUTS, seed))
    assert statuses.total() == NUM_INPUTS
    assert statuses["200"] > 5
    assert statuses["400"] > NUM_INPUTS / 5
    assert [held.num_calls for held in remains] == [0, 0]
    assert 0 < remains[-1].num_responses <= FEW.max_responses
