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
    """Mutable: `reply` is set once, and `parts` once, when it is planned anew for several workers."""

    share: Share
    avoid: frozenset[str] = frozenset()  # workers that would not do it, until it is tried from the beginning
    num_lost: int = 0  # frames that carried it, and broke with their streams
    reply: Reply | None = None
    parts: list["Errand"] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.reply is not None or (bool(self.parts) and all(part.is_done for part in self.parts))

    def part(self, share: Share) -> "Errand":
        """Some of it; what is known of workers goes with it."""
        return Errand(share, self.avoid, self.num_lost)

    def finished(self) -> Iterator[Finished]:
        """What makes it up, once it is done; each of its assignments once."""
        if self.reply is not None:
            yield Finished(self.share, self.reply)
            return
        for part in self.parts:
            yield from part.finished()
