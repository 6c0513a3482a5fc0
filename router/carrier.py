"""What travels in a dispatch, as the exchange sees it: it sends, checks and computes shares, no more.

`router.freight` implements it for rows; `router.exchange` and `router.delivery` call it.
"""

from typing import Protocol

from router.dispatch_frames import Reply
from router.dispatch_plan import Share


class Carrier(Protocol):
    """For one dispatch; called by the thread that computes."""

    @property
    def most_assignments(self) -> int:
        """Of one frame, so that neither it nor its reply grows too long."""
        ...

    def pack(self, share: Share, number: int, epoch: int) -> bytes:
        """-> a frame"""
        ...

    def prepare(self) -> None:
        """Whatever can be done while frames are on their way; once, when all have been sent."""
        ...

    def check(self, share: Share, reply: Reply) -> None:
        """Raises a FrameError where the rows are not as many, or not such, as the share wants."""
        ...

    def compute_here(self, share: Share) -> Reply:
        """The share of this very process."""
        ...
