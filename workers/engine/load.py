"""How busy an engine is, and whether it takes requests. Plain values: they travel to gateways."""

from dataclasses import dataclass
from enum import StrEnum


class ServingState(StrEnum):
    SERVING = "serving"
    DRAINING = "draining"  # takes nothing new, finishes what runs
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """At one moment; between two steps the numbers may be of different ones."""

    num_running: int  # sequences
    num_waiting: int
    num_free_pages: int
    num_pages: int
    state: ServingState
    epoch: int | None = None  # of the placement that the worker dispatches by; None: all experts are local

    @property
    def num_sequences(self) -> int:
        return self.num_running + self.num_waiting
