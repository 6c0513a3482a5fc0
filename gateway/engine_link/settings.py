"""How long links wait, and how often they try again. Checked once, never changed."""

from dataclasses import dataclass

from gateway.positive import check_positive


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Seconds. A worker says something several times a second."""

    silence_s: float = 3.0  # after which a worker that says nothing is lost
    accept_s: float = 20.0  # a worker's time to accept a request or to refuse it: it may compile a grammar
    reconnect_s: float = 0.1  # between two attempts to attach

    def __post_init__(self) -> None:
        check_positive(self)


@dataclass(frozen=True, slots=True)
class FailoverSettings:
    """How far a request is carried."""

    max_attempts: int = 8  # workers that a request may lose before it is taken for the cause
    patience_s: float = 30.0  # how long it waits for a worker that takes it, without anything being told
    retry_s: float = 0.2  # after which workers that have refused are asked again
    most_busier: int = 8  # sequences that a worker may have more than the least busy, if it had the prefix
    affinity_blocks: int = 200_000  # of 128 tokens of prompts, for which it is known where they went

    def __post_init__(self) -> None:
        check_positive(self)
