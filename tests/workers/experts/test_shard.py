"""A shard that has grown and shrunk gives the bits of a fresh one, and refuses what it does not host."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.experts import run_experts
from protos.errors import ExpertNotHereError
from router.dispatch_frames import CombineMode
from router.placement import LayerToExperts
from tests.model.tiny_model import TINY
from tests.workers.experts.shards import ARITHMETIC, WHOLE, load, shard_of, work
from workers.experts.shard import ExpertShard, sum_by_row

HELD: LayerToExperts = {0: (1, 2, 6), 3: (0, 4), 4: (5,)}


def assert_serves(shard: ExpertShard, held: LayerToExperts) -> None:
    assert shard.layer_to_experts == held
    fresh = shard_of(held)
    assert shard.num_bytes == fresh.num_bytes
    for layer, experts in held.items():
        x, assignments = work([0, 1, 1, 2, 0], [experts[index % len(experts)] for index in range(5)])
        found = shard.run_exactly(layer, x, assignments)
        assert torch.equal(found, fresh.run_exactly(layer, x, assignments))


def test_rows_are_those_of_the_model() -> None:
    x, assignments = work([0, 1, 1, 2], [6, 2, 6, 1])
    weights = load(WHOLE)[0]
    expected = run_experts(weights, x, assignments, TINY.swiglu_limit, None)
    found = shard_of(HELD).run_exactly(0, x, assignments)
    assert torch.equal(found, expected)


held = st.dictionaries(
    st.integers(0, TINY.num_layers - 1),
    st.sets(st.integers(0, TINY.num_experts - 1), min_size=1).map(lambda experts: tuple(sorted(experts))),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(held, min_size=1, max_size=3), held)
def test_however_a_shard_came_about_it_is_as_good_as_fresh(
    steps: list[LayerToExperts], kept: LayerToExperts
) -> None:
    shard = ExpertShard(ARITHMETIC, {})
    hosted: dict[int, set[int]] = {}
    for step in steps:
        for layer, experts in step.items():
            missing = tuple(sorted(set(experts) - hosted.get(layer, set())))
            if missing:
                shard = shard.with_experts(layer, load({layer: missing})[layer])
                hosted.setdefault(layer, set()).update(missing)
    assert_serves(shard, {layer: tuple(sorted(experts)) for layer, experts in hosted.items()})
    left = {layer: tuple(sorted(hosted.get(layer, set()) & set(experts))) for layer, experts in kept.items()}
    assert_serves(shard.with_only(kept), {layer: experts for layer, experts in left.items() if experts})


def test_an_older_shard_serves_on_while_a_newer_one_is_made() -> None:
    old = shard_of(HELD)
    old.with_experts(0, load({0: (3,)})[0])
    old.with_only({})
    assert_serves(old, HELD)


@pytest.mark.parametrize(
    ("layer", "experts", "message"),
    [
        (1, [0], "no expert of layer 1"),
        (99, [0], "no expert of layer 99"),
        (0, [1, 5], "expert 5 of layer 0"),
        (0, [1, -1], "experts -1 to 1"),
        (0, [1, 7], "experts 1 to 7"),
        (0, [2**31 - 1], "layer 0 has 7"),
    ],
)
def test_what_is_not_here_is_refused(layer: int, experts: list[int], message: str) -> None:
    x, assignments = work([0] * len(experts), experts)
    with pytest.raises(ExpertNotHereError, match=message):
        shard_of(HELD).run_exactly(layer, x, assignments)


def test_reduced_rows_are_the_sums_of_the_exact_ones() -> None:
    x, assignments = work([0, 2, 2, 0], [6, 2, 6, 1])
    shard = shard_of(HELD)
    exact = shard.run(0, x, assignments, CombineMode.EXACT)
    reduced = shard.run(0, x, assignments, CombineMode.REDUCED)
    assert torch.equal(reduced[0], exact[0] + exact[3])
    assert torch.equal(reduced[2], exact[1] + exact[2])
    assert not reduced[1].any()


def test_sums_of_bfloat16_are_rounded_once() -> None:
    rows = torch.tensor([[256.0], [1.0], [1.0]]).bfloat16()  # each alone would vanish
    assert sum_by_row(rows, torch.tensor([0, 0, 0]), 1).tolist() == [[258.0]]
