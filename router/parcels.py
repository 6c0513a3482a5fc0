"""The frames of one dispatch that are on their way: which errand each carries, and when to look after it.

Pure: it is told the time. Not here: sending, and what becomes of a frame that is lost (`router.delivery`).
"""

from collections.abc import Collection
from math import inf
from typing import NamedTuple

from router.errand import Errand


class Parcel(NamedTuple):
    """An errand in a frame."""

    errand: Errand
    worker: str
    epoch: int
    sent_at: float
    hedge_at: float  # then a replica is asked as well; inf: never, or not again
    deadline_at: float  # then the worker counts as silent; inf: it does already


class Parcels:
    """By the numbers of their frames. A frame that is overdue stays: a late answer is an answer."""

    def __init__(self) -> None:
        self._number_to_parcel: dict[int, Parcel] = {}
        self.look_at = inf  # there is nothing to do before

    def __len__(self) -> int:
        return len(self._number_to_parcel)

    def add(self, number: int, parcel: Parcel) -> None:
        self._number_to_parcel[number] = parcel
        self.look_at = min(self.look_at, parcel.hedge_at, parcel.deadline_at)

    def of_number(self, number: int) -> Parcel | None:
        return self._number_to_parcel.get(number)

    def remove(self, number: int) -> None:
        del self._number_to_parcel[number]

    def remove_those_of(self, worker: str) -> list[Errand]:
        """What was on its way to this worker."""
        lost = [number for number, parcel in self._number_to_parcel.items() if parcel.worker == worker]
        return [self._number_to_parcel.pop(number).errand for number in lost]

    def take_overdue(self, now: float) -> list[Parcel]:
        """Those whose deadline has passed since the last look; each once."""
        overdue = [item for item in self._number_to_parcel.items() if item[1].deadline_at <= now]
        for number, parcel in overdue:
            self._number_to_parcel[number] = parcel._replace(hedge_at=inf, deadline_at=inf)
        return [parcel for _, parcel in overdue]

    def take_slow(self, now: float) -> list[Parcel]:
        """Those that are to be hedged now; each once."""
        slow = [item for item in self._number_to_parcel.items() if item[1].hedge_at <= now]
        for number, parcel in slow:
            self._number_to_parcel[number] = parcel._replace(hedge_at=inf)
        self.look_at = min(
            (min(each.hedge_at, each.deadline_at) for each in self._number_to_parcel.values()), default=inf
        )
        return [parcel for _, parcel in slow]

    @property
    def unanswered(self) -> Collection[Parcel]:
        return self._number_to_parcel.values()
