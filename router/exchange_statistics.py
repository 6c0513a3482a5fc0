"""What an exchange has done since it began: counts for status pages and metrics."""

from dataclasses import dataclass


@dataclass(slots=True)
class ExchangeStatistics:
    """Written by the thread that computes; others may read it at any time."""

    num_dispatches: int = 0
    num_frames: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    num_resent: int = 0  # frames that a worker lost, refused or kept too long
    num_hedged: int = 0
    num_stale: int = 0  # frames refused because of their epoch, or because an expert had moved
    num_duplicates: int = 0  # answers that were not needed any more
    num_lanes_lost: int = 0
    longest_wait_s: float = 0.0  # for the answers of one dispatch
