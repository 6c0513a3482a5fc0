"""After how long a frame that is not answered is sent to a replica as well: beyond what 99 of 100 took.

Frames are compared with frames of about the same number of assignments. Until enough have been seen nothing
is hedged. Pure: it is told how long frames took.
"""

from collections import deque
from dataclasses import dataclass, field
from math import inf

_ENOUGH = 32
_REMEMBERED = 256
_LOOK_AGAIN_AFTER = 32


@dataclass(frozen=True, slots=True)
class HedgeSettings:
    """`factor` times the 99th percentile, and never before `least_s`."""

    factor: float = 1.5
    least_s: float = 0.01


@dataclass(slots=True)
class _Latencies:
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    num_new: int = 0
    p99: float | None = None

    def add(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.num_new += 1
        if self.num_new >= _LOOK_AGAIN_AFTER and len(self.seconds) >= _ENOUGH:
            self.num_new = 0
            self.p99 = sorted(self.seconds)[int(len(self.seconds) * 0.99)]


class HedgeClock:
    """One for an exchange; `settings` None hedges nothing."""

    def __init__(self, settings: HedgeSettings | None) -> None:
        self._settings = settings
        self._size_to_latencies: dict[int, _Latencies] = {}

    def record(self, num_assignments: int, seconds: float) -> None:
        if self._settings is None:
            return
        size = num_assignments.bit_length()
        latencies = self._size_to_latencies.get(size)
        if latencies is None:
            latencies = self._size_to_latencies[size] = _Latencies()
        latencies.add(seconds)

    def delay(self, num_assignments: int) -> float:
        """Seconds; infinitely many where a frame of this size is not to be hedged."""
        latencies = self._size_to_latencies.get(num_assignments.bit_length())
        if self._settings is None or latencies is None or latencies.p99 is None:
            return inf
        return max(self._settings.least_s, self._settings.factor * latencies.p99)
