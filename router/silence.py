"""Which workers owe an answer that no dispatch waits for any more, and until when they may.

A hedge may bring the rows before the worker that was asked first. If that worker never answers, something is
wrong with it, though no dispatch fails: it must not be asked again and again. Pure: it is told the time.
"""

from collections.abc import Iterable
from math import inf

from router.parcels import Parcel


class SilenceWatch:
    """Any sign of a worker clears it."""

    def __init__(self) -> None:
        self._worker_to_deadline: dict[str, float] = {}

    def owes(self, parcels: Iterable[Parcel]) -> None:
        """What a dispatch has left unanswered."""
        for parcel in parcels:
            if parcel.deadline_at < inf:  # else its silence is known
                self._worker_to_deadline.setdefault(parcel.worker, parcel.deadline_at)

    def heard(self, worker: str) -> None:
        self._worker_to_deadline.pop(worker, None)

    def take_silent(self, now: float) -> list[str]:
        """Workers from whom nothing has come until their deadline; each once."""
        silent = [worker for worker, deadline in self._worker_to_deadline.items() if deadline <= now]
        for worker in silent:
            del self._worker_to_deadline[worker]
        return silent
