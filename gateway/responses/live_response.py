"""A response that is being written, or has just been: its writer, its call, and whoever follows it.

Not here: which responses there are (`responses`). Of one event loop.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from gateway.calls.call import Call
from gateway.calls.whole import read_whole
from gateway.responses.items import Item
from gateway.responses.response import Response
from gateway.responses.response_events import Moment, ResponseEvent, ResponseMoment
from gateway.responses.response_store import StoredResponse
from gateway.responses.response_writer import ResponseWriter
from workers.engine.events import RequestEnded


class EventBatch(NamedTuple):
    """All that is new; the event `events[i]` has the number `first + i`."""

    first: int
    events: Sequence[ResponseEvent]


class LiveResponse:
    """`stored` is what it is at this moment; `follow` it as often as its call can be read."""

    def __init__(self, writer: ResponseWriter, call: Call[ResponseEvent], context: tuple[Item, ...]) -> None:
        self.call = call
        self._writer = writer
        self._context = context

    @property
    def response_id(self) -> str:
        return self.call.call_id

    @property
    def is_background(self) -> bool:
        return self._writer.is_background

    @property
    def response(self) -> Response:
        if self.call.has_ended:
            return self._writer.end(self.call.ended.result())
        return self._writer.response

    @property
    def stored(self) -> StoredResponse:
        return StoredResponse(self.response, self._context)

    def follow(self, after: int = -1) -> AsyncGenerator[EventBatch, None]:
        """The events behind this number, to the terminal one; read it under `aclosing`.

        Of a response that is not in the background the first batch comes when the engine has taken it; if it
        refuses, that is raised instead.
        """
        return follow(self.call, self._writer.end, after)

    async def finished(self) -> Response:
        """Reads it to its end. Raises what it failed with."""
        await read_whole(self.call, lambda _: None)  # its writer has taken what it says
        return self.response

    async def cancel(self) -> Response:
        """-> the response when it has ended."""
        self.call.cancel()
        await self.wait()
        return self.response

    async def wait(self) -> None:
        """Until it has ended, without reading it."""
        await asyncio.wait([self.call.ended])


async def follow(
    call: Call[ResponseEvent], response_at: Callable[[RequestEnded], Response], after: int
) -> AsyncGenerator[EventBatch, None]:
    """The events of the call behind this number; `response_at` its end is what the terminal one tells."""
    async with aclosing(call.batches(after)) as batches:
        async for batch in batches:
            yield EventBatch(batch.first, [_told(event, response_at) for event in batch.events])


def _told(
    event: ResponseEvent | RequestEnded, response_at: Callable[[RequestEnded], Response]
) -> ResponseEvent:
    if not isinstance(event, RequestEnded):
        return event
    response = response_at(event)
    return ResponseMoment(Moment.of_end(response.status), response)
