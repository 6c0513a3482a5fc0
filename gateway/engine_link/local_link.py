"""The link to an engine of this process: what single mode serves through.

The engine runs on a thread of its own and speaks once a step; here that becomes events in the gateway's loop.
Not here: the engine's making, which needs torch; the caller brings it as a function.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from protos.errors import InvalidRequestError
from workers.engine.door import Deliver, EngineDoor
from workers.engine.events import Event, RequestEnded
from workers.engine.load import EngineLoad
from workers.engine.request import GenerationRequest

Mailbox = asyncio.Queue[Event]


class LocalEngineLink:
    """Made in the event loop that uses it. The engine is the caller's, to start and to close."""

    def __init__(self, make_engine: Callable[[Deliver], EngineDoor]) -> None:
        """`make_engine` is given where the engine shall deliver its events."""
        self._loop = asyncio.get_running_loop()
        self._mailboxes: dict[str, Mailbox] = {}
        self._engine = make_engine(self._deliver)

    @property
    def load(self) -> EngineLoad | None:
        return self._engine.load

    async def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        request_id = request.request_id
        if request_id in self._mailboxes:
            raise InvalidRequestError(f"a request {request_id!r} is already here")
        mailbox = self._mailboxes[request_id] = Mailbox()
        submitting = asyncio.ensure_future(asyncio.to_thread(self._engine.submit, request))
        try:
            await asyncio.shield(submitting)  # a grammar may take long to compile
            while True:
                event = await mailbox.get()
                yield event
                if isinstance(event, RequestEnded):
                    return
        finally:
            if submitting.done():
                self._leave(request_id, submitting)
            else:
                submitting.add_done_callback(lambda done: self._leave(request_id, done))

    def _leave(self, request_id: str, submitting: asyncio.Future[None]) -> None:
        """Whatever the engine still has of it is cancelled, once it has been taken at all."""
        del self._mailboxes[request_id]
        if submitting.cancelled() or submitting.exception() is None:
            self._engine.cancel(request_id)

    def _deliver(self, events: Sequence[Event]) -> None:
        self._loop.call_soon_threadsafe(self._hand_out, events)

    def _hand_out(self, events: Sequence[Event]) -> None:
        for event in events:
            mailbox = self._mailboxes.get(event.request_id)
            if mailbox is not None:
                mailbox.put_nowait(event)
