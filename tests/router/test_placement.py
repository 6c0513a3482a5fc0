"""Placement: what it says of workers and experts, and what it refuses."""

import pytest

from protos.errors import ConfigError
from router.placement import Placement

WHOLE = Placement.of(
    3,
    {"a": {0: (0, 2), 1: (1,)}, "b": {0: (1,), 1: (0, 1, 2)}, "idle": {}},
    num_layers=2,
    num_experts=3,
)


def test_it_is_made_of_what_each_worker_hosts_and_says_so_again() -> None:
    assert WHOLE.hosts == (((0,), (1,), (0,)), ((1,), (0, 1), (1,)))
    assert WHOLE.experts_of("a") == {0: (0, 2), 1: (1,)}
    assert WHOLE.experts_of("b") == {0: (1,), 1: (0, 1, 2)}
    assert WHOLE.experts_of("idle") == {}
    assert WHOLE.experts_of("unknown") == {}
    assert (WHOLE.num_layers, WHOLE.num_experts, WHOLE.num_workers) == (2, 3, 3)


def test_a_lost_worker_leaves_experts_without_a_host() -> None:
    left = WHOLE.without({"a"}, epoch=4)
    assert left.epoch == 4
    assert left.workers == ("b", "idle")
    assert left.hosts == (((), (0,), ()), ((0,), (0,), (0,)))
    assert WHOLE.is_whole
    assert not left.is_whole


@pytest.mark.parametrize("hosts", [(1, 0), (0, 0), (-1,), (2,)])
def test_hosts_that_are_not_rising_numbers_of_workers_are_refused(hosts: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="layer 0, expert 1"):
        Placement(0, ("a", "b"), (((0,), hosts),))


def test_a_worker_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        Placement(0, ("a", "a"), (((0,),),))
