"""The seam between the gateway and whatever generates: requests in, events out.

Not here: how to reach an engine (`grpc_link`, `local_link`), what to do when it is lost (`failover_link`).
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from workers.engine.events import Event
from workers.engine.load import EngineLoad
from workers.engine.request import GenerationRequest


class EngineLink(Protocol):
    """Of one event loop."""

    @property
    def load(self) -> EngineLoad | None:
        """How busy it is; None while it cannot be reached."""
        ...

    def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """What the request is told. A request that is refused raises at the first event; an accepted one ends
        in exactly one RequestEnded, after which nothing comes. To close the generator, or to cancel the task
        that reads it, cancels the request: so read it under `contextlib.aclosing`.
        """
        ...


class WorkerLink(EngineLink, Protocol):
    """The link to one worker, which may come and go."""

    @property
    def num_live(self) -> int:
        """Requests of this link that have not ended."""
        ...

    def start(self) -> None: ...

    async def wait_idle(self) -> None:
        """Until no request of this link is left."""
        ...

    async def aclose(self) -> None: ...
