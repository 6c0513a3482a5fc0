"""Distinct shards and bytes: the table of the design, and every choice of experts counted out."""

from dataclasses import replace
from itertools import combinations, product

import pytest

from cluster.plan.wire import TokenTraffic, activated_experts, distinct_shards
from model.config import GPT_OSS_120B
from tests.model.tiny_model import TINY

SMALL = replace(TINY, num_experts=6, experts_per_token=2)


@pytest.mark.parametrize(
    ("num_shards", "shards", "dispatch_kb"), [(2, 1.88, 10.8), (4, 2.75, 15.8), (8, 3.34, 19.2)]
)
def test_the_120b_in_bfloat16(num_shards: int, shards: float, dispatch_kb: float) -> None:
    traffic = TokenTraffic.of(GPT_OSS_120B, num_shards)
    assert traffic.shards == pytest.approx(shards, abs=0.005)
    assert traffic.dispatch / 1e3 == pytest.approx(dispatch_kb, abs=0.07)
    assert traffic.exact_reply / 1e3 == pytest.approx(23.0, abs=0.05)
    assert traffic.reduced_reply == traffic.dispatch


@pytest.mark.parametrize("num_shards", [1, 2, 3, 6])
def test_distinct_shards_are_those_of_every_choice_on_average(num_shards: int) -> None:
    choices = list(combinations(range(6), 2))
    visited = [len({expert % num_shards for expert in choice}) for choice in choices]
    assert distinct_shards(SMALL, num_shards) == pytest.approx(sum(visited) / len(choices))


@pytest.mark.parametrize("num_tokens", [1, 2, 3])
def test_activated_experts_are_those_of_every_choice_on_average(num_tokens: int) -> None:
    steps = list(product(combinations(range(6), 2), repeat=num_tokens))
    activated = [len({expert for choice in step for expert in choice}) for step in steps]
    assert activated_experts(SMALL, num_tokens) == pytest.approx(sum(activated) / len(steps))
