"""The seam between an engine and whoever brings it requests: the attention service, a gateway in its process.

They need no torch, so they must not import the engine itself.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from workers.engine.events import Event
from workers.engine.load import EngineLoad
from workers.engine.request import GenerationRequest

Deliver = Callable[[Sequence[Event]], None]
"""Takes all that a step has to say, on the engine's thread; it must not linger."""


class EngineDoor(Protocol):
    """`workers.engine.engine.Engine`, from outside. Any thread may call it."""

    @property
    def context_limit(self) -> int: ...

    @property
    def load(self) -> EngineLoad: ...

    @property
    def num_requests(self) -> int:
        """Those that have not ended."""
        ...

    def submit(self, request: GenerationRequest) -> None:
        """Take the request, or raise; once taken it ends in exactly one RequestEnded."""
        ...

    def cancel(self, request_id: str) -> None:
        """End it at the next step, if it has not ended by then."""
        ...

    def drain(self, timeout_s: float | None = None) -> bool:
        """Take nothing new and wait until all has ended; -> whether it has."""
        ...

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        """Wait until the engine has stopped or broken, and every request has had its end."""
        ...
