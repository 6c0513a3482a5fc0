"""What an attention worker has said of one request and nobody has read yet.

Bounded by what the request may be told at all: a slow reader does not hold up the worker's other requests.
"""

import asyncio

from protos.errors import AttentionUnreachableError, ExpertMeshError
from workers.engine.events import Event, RequestEnded


class Mailbox:
    """Filled by the link's stream, emptied by whoever submitted the request."""

    def __init__(self, wire_id: str, request_id: str, address: str) -> None:
        self.wire_id = wire_id
        self.request_id = request_id
        self.has_ended = False  # at the worker: there is nothing to cancel
        self._address = address
        self._accepted = asyncio.Event()
        self._said: asyncio.Queue[Event | ExpertMeshError] = asyncio.Queue()

    def accept(self) -> None:
        self._accepted.set()

    def put(self, event: Event) -> None:
        self.has_ended = isinstance(event, RequestEnded)
        self._said.put_nowait(event)

    def fail(self, error: ExpertMeshError) -> None:
        """It was refused, or the worker is lost."""
        self.has_ended = True
        self._said.put_nowait(error)
        self._accepted.set()

    async def accepted(self, timeout_s: float) -> None:
        """Wait for the worker's answer."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._accepted.wait()
        except TimeoutError:
            raise AttentionUnreachableError(
                f"the attention worker at {self._address} has neither accepted nor refused the request "
                f"within {timeout_s:g} s"
            ) from None

    async def next(self) -> Event:
        """Ends: a worker that falls silent is lost, and then `fail` is called."""
        said = await self._said.get()
        if isinstance(said, ExpertMeshError):
            raise said
        return said
