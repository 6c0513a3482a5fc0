"""combine(dispatch(x)) = Σ w·x, whoever hosts what; every place is in one share, every row goes once."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from router.dispatch_plan import Integers, Share, cut, everything_to, plan_dispatch, share_out


@st.composite
def routings(draw: st.DrawFn) -> tuple[Integers, Integers]:
    """-> expert ids [tokens, top_k], each token's all different; the worker of every expert [experts]"""
    num_experts = draw(st.integers(1, 9))
    top_k = draw(st.integers(1, min(4, num_experts)))
    chosen = st.permutations(range(num_experts)).map(lambda order: order[:top_k])
    ids = draw(st.lists(chosen, min_size=1, max_size=7))
    workers = st.integers(0, draw(st.integers(0, 4)))
    hosts = draw(st.lists(workers, min_size=num_experts, max_size=num_experts))
    return np.array(ids), np.array(hosts)


def assert_plan(shares: Sequence[Share], ids: Integers, hosts: Integers | None) -> None:
    """What holds of every plan, and that it computes the sum."""
    top_k = ids.shape[1]
    assert sorted(slot for share in shares for slot in share.slots) == list(range(ids.size))
    for share in shares:
        assert (np.diff(share.slots) > 0).all()
        assert (np.diff(share.tokens) > 0).all()  # rising, so each travels once
        assert set(share.rows) == set(range(len(share.tokens)))
        assert (share.tokens[share.rows] == share.slots // top_k).all()
        assert (share.experts == ids.ravel()[share.slots]).all()
        if hosts is not None:
            assert (hosts[share.experts] == share.worker).all()
    x = np.arange(1, len(ids) + 1) * 3
    weights = np.arange(ids.size) + 5
    factors = np.arange(1, 10) ** 2  # what the experts do
    combined = np.zeros(ids.size, np.int64)
    for share in shares:
        sent = x[share.tokens]  # dispatched rows
        combined[share.slots] = sent[share.rows] * factors[share.experts] * weights[share.slots]
    expected = (x[:, None] * factors[ids] * weights.reshape(ids.shape)).sum(axis=1)
    assert (combined.reshape(ids.shape).sum(axis=1) == expected).all()


@given(routings())
def test_combine_of_dispatch_is_the_sum(routing: tuple[Integers, Integers]) -> None:
    ids, hosts = routing
    shares = plan_dispatch(ids, hosts)
    assert_plan(shares, ids, hosts)
    assert [share.worker for share in shares] == sorted(set(hosts[ids.ravel()]))


@given(routings(), st.integers(1, 9))
def test_cut_shares_are_a_plan_as_well(routing: tuple[Integers, Integers], most: int) -> None:
    ids, hosts = routing
    parts = [part for share in plan_dispatch(ids, hosts) for part in cut(share, most, ids.shape[1])]
    assert_plan(parts, ids, hosts)
    assert max(part.num_assignments for part in parts) <= most


@given(routings(), routings())
def test_a_share_planned_anew_is_a_plan_for_its_places(
    routing: tuple[Integers, Integers], other: tuple[Integers, Integers]
) -> None:
    """Some workers are lost, and the experts of each go to others."""
    ids, hosts = routing
    new_hosts = np.resize(other[1], len(hosts))
    first, *others = plan_dispatch(ids, hosts)
    again = share_out(first.slots, first.experts, new_hosts, ids.shape[1])
    assert_plan([*again, *others], ids, None)
    for share in again:
        assert (new_hosts[share.experts] == share.worker).all()


@given(routings())
def test_one_worker_gets_everything_without_a_plan(routing: tuple[Integers, Integers]) -> None:
    ids, hosts = routing
    expected = plan_dispatch(ids, np.full_like(hosts, 3))
    for found, share in zip(everything_to(3, ids), expected, strict=True):
        assert found.worker == share.worker
        for array, other in zip(found[1:], share[1:], strict=True):
            assert (array == other).all()


def test_nothing_to_do_is_no_share() -> None:
    assert plan_dispatch(np.zeros((0, 3), np.int64), np.zeros(5, np.int64)) == []


def test_a_share_says_what_it_must() -> None:
    """Two tokens; the second wants two experts of worker 1, to which it travels once."""
    ids = np.array([[0, 4], [2, 3]])
    first, second = plan_dispatch(ids, np.array([0, 0, 1, 1, 1]))
    assert [array.tolist() for array in first[1:]] == [[0], [0], [0], [0]]
    assert [array.tolist() for array in second[1:]] == [[0, 1], [0, 1, 1], [4, 2, 3], [1, 2, 3]]
