"""Whoever comes while another computes is computed with the next; nobody waits in vain, whatever breaks."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from workers.experts.turns import Turns

PATIENCE_S = 20.0


class Paused:
    """Computes when it is let; notes what it was given together."""

    def __init__(self, compute: Callable[[int], int | Exception]) -> None:
        self.together: list[Sequence[int]] = []
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        self._compute = compute

    def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.together.append(tuple(items))
        self.has_begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        return [self._compute(item) for item in items]


def double(item: int) -> int | Exception:
    return ValueError(f"{item} is bad") if item == 13 else 2 * item


def run_beside(
    turns: Turns[int, int], items: Sequence[int], outcomes: dict[int, object]
) -> list[threading.Thread]:
    def run(item: int) -> None:
        try:
            outcomes[item] = turns.run(item)
        except Exception as error:
            outcomes[item] = error

    threads = [threading.Thread(target=run, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_alone_an_item_is_computed_at_once() -> None:
    paused = Paused(double)
    paused.may_go_on.set()
    assert Turns(paused).run(4) == 8
    assert paused.together == [(4,)]


def test_those_who_come_meanwhile_are_computed_together_and_one_bad_item_hurts_nobody_else() -> None:
    paused = Paused(double)
    turns = Turns(paused)
    outcomes: dict[int, object] = {}
    first = run_beside(turns, [1], outcomes)
    assert paused.has_begun.wait(PATIENCE_S)
    others = run_beside(turns, [2, 13, 4, 5], outcomes)
    while len(turns._waiting) < 4:
        assert all(thread.is_alive() for thread in others)
        time.sleep(0.001)
    paused.may_go_on.set()
    join(first + others)
    assert [sorted(items) for items in paused.together] == [[1], [2, 4, 5, 13]]
    error = outcomes.pop(13)
    assert isinstance(error, ValueError)
    assert str(error) == "13 is bad"
    assert outcomes == {1: 2, 2: 4, 4: 8, 5: 10}


def test_a_computation_that_breaks_as_a_whole_breaks_each_of_its_items_and_no_later_one() -> None:
    broken = [True]

    def compute(items: Sequence[int]) -> Sequence[int]:
        if broken.pop() if broken else False:
            raise RuntimeError("all of it")
        return [item + 1 for item in items]

    turns = Turns[int, int](compute)
    with pytest.raises(RuntimeError, match="all of it"):
        turns.run(1)
    assert turns.run(2) == 3


def test_many_threads_get_each_their_own() -> None:
    turns = Turns[int, int](lambda items: [item * item for item in items])
    outcomes: dict[int, object] = {}

    def run_all(start: int) -> None:
        for item in range(start, start + 200):
            outcomes[item] = turns.run(item)

    threads = [threading.Thread(target=run_all, args=(start,)) for start in range(0, 1600, 200)]
    for thread in threads:
        thread.start()
    join(threads)
    assert outcomes == {item: item * item for item in range(1600)}
