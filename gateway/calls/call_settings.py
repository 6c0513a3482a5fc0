"""How long calls live, and how many there may be. Checked once, never changed."""

from dataclasses import dataclass

from gateway.positive import check_positive


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Of one gateway."""

    max_calls: int = 4096  # that have not ended; one more is refused
    max_unread: int = 16_384  # events; whoever reads slower than that is cut off
    max_events: int = 262_144  # of a call whose events are kept; one that has more is ended
    writes_per_s: float = 10_000.0  # of all streams together; tokens that come faster travel together
    resume_s: float = 30.0  # that a call which may be resumed waits for its reader
    keep_ended_s: float = 300.0  # that the end of such a call can still be read
    max_kept: int = 1024  # ended calls; the oldest go first
    max_kept_events: int = 524_288  # of all of them together; the oldest calls go first
    close_s: float = 5.0  # that calls may take to end when the gateway stops

    def __post_init__(self) -> None:
        check_positive(self)
