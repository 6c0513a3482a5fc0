"""How long calls live, and how many there may be. Checked once, never changed."""

from dataclasses import dataclass

from gateway.positive import check_positive


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Of one gateway."""

    max_calls: int = 4096  # that have not ended; one more is refused
    max_unread: int = 16_384  # events; whoever reads slower than that is cut off
    writes_per_s: float = 10_000.0  # of all streams together; tokens that come faster travel together
    resume_s: float = 30.0  # that a call which may be resumed waits for its reader
    keep_ended_s: float = 300.0  # that the end of such a call can still be read
    max_kept: int = 1024  # ended calls; the oldest go first

    def __post_init__(self) -> None:
        check_positive(self)
