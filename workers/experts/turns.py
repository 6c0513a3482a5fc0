"""One computes at a time, and whoever came meanwhile is computed together, with the next.

So frames of several attention workers share a reading of the weights, and a frame that is alone waits for
nobody: no time is set aside for others to come. Whoever gets the turn computes, on its own thread; a way to
another thread and back would take a good part of what gRPC itself takes.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Turns(Generic[Item, Result]):
    """`compute` gives one result, or one error, for each item, in order."""

    def __init__(self, compute: Callable[[Sequence[Item]], Sequence[Result | Exception]]) -> None:
        self._compute = compute
        self._turn = threading.Lock()
        self._door = threading.Lock()
        self._waiting: list[_Place[Item, Result]] = []

    def run(self, item: Item) -> Result:
        """From any thread; raises what became of this item."""
        place = _Place[Item, Result](item)
        with self._door:
            self._waiting.append(place)
        with self._turn:
            if place.outcome is None:
                self._run_all()
        assert place.outcome is not None
        if isinstance(place.outcome, Exception):
            raise place.outcome
        return place.outcome

    def _run_all(self) -> None:
        with self._door:
            places, self._waiting = self._waiting, []
        try:
            outcomes = self._compute([place.item for place in places])
        except Exception as error:  # nobody may wait in vain
            outcomes = [error] * len(places)
        for place, outcome in zip(places, outcomes, strict=True):
            place.outcome = outcome


class _Place(Generic[Item, Result]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: Result | Exception | None = None
