"""All responses of one gateway: made here, followed, found again, cancelled, deleted.

It joins what does the work: `Inference` generates, `ResponseWriter` words it, a `ResponseStore` keeps it. The
HTTP face calls it, and nothing but it. Of one event loop.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable

from gateway.calls.call import CallKind
from gateway.calls.call_book import CallRequest
from gateway.inference import Inference
from gateway.responses.items import Item, ItemReference
from gateway.responses.live_response import EventBatch, LiveResponse, follow
from gateway.responses.response import Response, ResponseStatus
from gateway.responses.response_request import ResponseRequest
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.response_store import ResponseStore, StoredResponse
from gateway.responses.response_writer import NewId, ResponseWriter
from protos.errors import CapacityError, ExpertMeshError, InvalidRequestError, NotFoundError

logger = logging.getLogger(__name__)


def random_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"


class Responses:
    """`create` and the rest until `aclose`, which comes after the calls have ended."""

    def __init__(
        self,
        inference: Inference,
        store: ResponseStore,
        settings: ResponseSettings | None = None,
        clock: Callable[[], float] = time.time,
        new_id: NewId = random_id,
    ) -> None:
        self._inference = inference
        self._store = store
        self._settings = settings or ResponseSettings()
        self._clock = clock
        self.new_id = new_id
        self._live: dict[str, LiveResponse] = {}  # those that will be stored, or are just being stored
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._num_beginning = 0  # in the background, and not live yet

    async def create(self, request: ResponseRequest) -> LiveResponse:
        """Begins it. Whoever does not want it in the background reads it: `finished`, or `follow`."""
        self._inference.model.check_name(request.model)
        if not request.is_background:
            return await self._begin(request)
        self._check_room()
        self._num_beginning += 1
        try:
            return await self._begin(request)
        finally:
            self._num_beginning -= 1

    async def find(self, response_id: str) -> StoredResponse:
        """Finished or not. Raises NotFoundError."""
        live = self._live.get(response_id)
        return live.stored if live is not None else await self._store.get(response_id)

    async def follow(self, response_id: str, after: int = -1) -> AsyncGenerator[EventBatch, None]:
        """The events behind this number, of a response in the background; read it under `aclosing`."""
        stored = await self.find(response_id)
        if not stored.response.request.is_background:
            raise InvalidRequestError(
                f"the events of {response_id} were told once, while it was made; only a response made with "
                f"background=true can be streamed again. Read it without stream"
            ).about("stream")
        live = self._live.get(response_id)
        if live is not None:
            return live.follow(after)
        return follow(self._inference.find(response_id, CallKind.TOLD), lambda _: stored.response, after)

    async def cancel(self, response_id: str) -> Response:
        """Of one in the background; one that has ended stays as it is."""
        stored = await self.find(response_id)
        if not stored.response.request.is_background:
            raise InvalidRequestError(
                f"{response_id} is not in the background; such a response is cancelled by closing its "
                f"connection"
            ).about("response_id")
        live = self._live.get(response_id)
        return stored.response if live is None else await live.cancel()

    async def delete(self, response_id: str) -> None:
        """One that has not ended is cancelled first. What went on from it keeps what it took."""
        live, keeping = self._live.get(response_id), self._keeping.get(response_id)
        if live is not None and keeping is not None:
            await live.cancel()
            await asyncio.wait([keeping])
        await self._store.delete(response_id)
        self._inference.book.forget(response_id)

    async def aclose(self) -> None:
        """Until everything that has ended is stored."""
        if self._keeping:
            await asyncio.wait(self._keeping.values())

    async def _begin(self, request: ResponseRequest) -> LiveResponse:
        context = await self._context(request)
        chat_request = request.chat_request(context)
        status = ResponseStatus.QUEUED if request.is_background else ResponseStatus.IN_PROGRESS
        begun = Response(self.new_id("resp"), request, int(self._clock()), status)
        writer = ResponseWriter(begun, self.new_id, self._clock)
        call = await self._inference.told_chat(
            chat_request,
            CallRequest(begun.response_id, needs_reader=not request.is_background),
            writer.take,
            writer.opening() if request.is_background else (),
        )
        live = LiveResponse(writer, call, context)
        if request.is_stored:
            self._live[live.response_id] = live
            keeping = asyncio.create_task(self._keep(live), name=f"keep {live.response_id}")
            self._keeping[live.response_id] = keeping
        return live

    def _check_room(self) -> None:
        running = sum(live.is_background for live in self._live.values()) + self._num_beginning
        if running >= self._settings.max_background:
            raise CapacityError(
                f"{running} responses are being made in the background, and that is the limit "
                f"(max_background); try again when some have ended"
            )

    async def _context(self, request: ResponseRequest) -> tuple[Item, ...]:
        before = (
            () if request.previous_response_id is None else await self._before(request.previous_response_id)
        )
        given = [
            await self._item(each) if isinstance(each, ItemReference) else each for each in request.input
        ]
        return (*before, *given)

    async def _before(self, previous_id: str) -> tuple[Item, ...]:
        try:
            previous = await self.find(previous_id)
        except NotFoundError as error:
            raise error.about("previous_response_id") from None
        if previous.response.status not in (ResponseStatus.COMPLETED, ResponseStatus.INCOMPLETE):
            raise InvalidRequestError(
                f"{previous_id} is {previous.response.status.value}; only a response that is completed or "
                f"incomplete can be gone on from"
            ).about("previous_response_id")
        return previous.items

    async def _item(self, reference: ItemReference) -> Item:
        """Nobody can know an item before its response has ended; one that is just being stored counts too."""
        for live in self._live.values():
            if live.call.has_ended:
                for item in live.stored.items:
                    if item.item_id == reference.item_id:
                        return item
        return await self._store.item(reference.item_id)

    async def _keep(self, live: LiveResponse) -> None:
        """Stores it when it has ended, unless its engine has refused it."""
        await live.wait()
        try:
            if not live.call.was_refused:
                await self._store.put(live.stored)
        except ExpertMeshError as error:
            logger.warning("%s", error)
        finally:
            del self._live[live.response_id], self._keeping[live.response_id]
