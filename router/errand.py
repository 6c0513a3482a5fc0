"""A share of a dispatch on its way to being done, whatever happens to the workers that it is sent to.

An errand is done when one of the frames that carried it is answered, or when all parts are done into which it
was planned anew. So a hedge and its original can both be on their way, and each row counts once. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from router.dispatch_frames import Reply
from router.dispatch_plan import Share


class Finished(NamedTuple):
    """A share, and the rows that came for it."""

    share: Share
    reply: Reply


@dataclass(slots=True, eq=False)
class Errand:
    """Mutable: the exchange sets `reply` once, and `parts` whenever it plans anew."""

    share: Share
    avoid: set[str] = field(default_factory=set)  # workers that cannot do it, until the placement changes
    reply: Reply | None = None
    parts: list["Errand"] = field(default_factory=list)
    num_attempts: int = 0

    @property
    def is_done(self) -> bool:
        return self.reply is not None or (bool(self.parts) and all(part.is_done for part in self.parts))

    def finished(self) -> Iterator[Finished]:
        """What makes it up, once it is done; each of its assignments once."""
        if self.reply is not None:
            yield Finished(self.share, self.reply)
            return
        for part in self.parts:
            yield from part.finished()


class Parcel(NamedTuple):
    """An errand in a frame that is on its way."""

    errand: Errand
    worker: str
    epoch: int
    sent_at: float
    hedge_at: float | None
    deadline_at: float

    @property
    def next_look_at(self) -> float:
        return self.deadline_at if self.hedge_at is None else self.hedge_at
