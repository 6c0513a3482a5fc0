from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.sampling.token_counts import TokenCounts

TOKENS = st.lists(st.integers(0, 40), max_size=60)


@settings(deadline=None)
@given(TOKENS, TOKENS)
def test_counts_the_output_and_remembers_the_prompt(prompt: list[int], output: list[int]) -> None:
    counts = TokenCounts(prompt)
    for token_id in output:
        counts.add(token_id)
    assert counts.token_ids.tolist() == list(dict.fromkeys(prompt + output))
    expected = Counter(output)
    assert counts.output_counts.tolist() == [expected[token_id] for token_id in counts.token_ids.tolist()]


@settings(deadline=None)
@given(TOKENS, TOKENS)
def test_a_resumed_sequence_counts_as_if_it_had_never_moved(prompt: list[int], output: list[int]) -> None:
    first, resumed = TokenCounts(prompt), TokenCounts(prompt, output)
    for token_id in output:
        first.add(token_id)
    assert torch.equal(first.token_ids, resumed.token_ids)
    assert torch.equal(first.output_counts, resumed.output_counts)
