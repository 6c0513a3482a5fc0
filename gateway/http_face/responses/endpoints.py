"""POST /v1/responses, and what is asked of a response later: itself, its events, its input, its end.

`response_endpoints` are given to `HttpFace`. Not here: what any of it means (`gateway.responses`).
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic import BaseModel, ConfigDict

from gateway.http_face.endpoint import GENERATING, Endpoint, QueryParameter
from gateway.http_face.event_stream import send_events
from gateway.http_face.exchange import Exchange
from gateway.http_face.responses.answer import Json, item_json, response_json
from gateway.http_face.responses.body import ResponseBody, read_response_body, response_request
from gateway.http_face.responses.events import batch_bytes
from gateway.http_face.responses.pages import LARGEST_PAGE, page_json
from gateway.http_face.responses.query import ResponseQuery
from gateway.http_face.token_names import TokenNames
from gateway.idempotency_key import IDEMPOTENCY_KEY, refuse_idempotency_key
from gateway.responses.live_response import EventBatch
from gateway.responses.response import Response
from gateway.responses.responses import Responses
from gateway.served_model import ServedModel

_PATH = "/v1/responses/{response_id}"
_NOT_KEPT = {404: "The response is not kept here, or the model is not served"}
_NO_LAST_EVENT = b""  # the terminal event says that nothing follows
_MOST_EVENTS = (1 << 31) - 1
_WORDS = {"type": "array", "items": {"type": "string"}}
_READING = (
    QueryParameter("stream", {"type": "boolean"}, "its events, of one that was made in the background"),
    QueryParameter(
        "starting_after",
        {"type": "integer", "minimum": 0, "maximum": _MOST_EVENTS},
        "with stream: the number of the last event that is known already",
    ),
    QueryParameter("include", _WORDS, "Ignored: everything that there is is given"),
    QueryParameter("include_obfuscation", {"type": "boolean"}, "Ignored: nothing is padded"),
)
_LISTING = (
    QueryParameter("after", {"type": "string"}, "the item behind which the page begins"),
    QueryParameter("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}, "items of a page"),
    QueryParameter("order", {"enum": ["asc", "desc"]}, "oldest or newest first; newest if it is left out"),
    QueryParameter("include", _WORDS, "Ignored: everything that there is is given"),
)


class ResponseAnswer(BaseModel):
    """The fields that every response has; docs/responses.md has them all."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: str
    created_at: int
    status: str
    model: str
    output: list[Json]


class ItemsAnswer(BaseModel):
    object: str
    data: list[Json]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedAnswer(BaseModel):
    id: str
    object: str
    deleted: bool


def response_endpoints(responses: Responses, model: ServedModel) -> tuple[Endpoint, ...]:
    served = _Served(responses, model)
    return (
        Endpoint(
            "POST",
            "/v1/responses",
            served.create,
            "A response: written now, as a stream, or in the background",
            body=ResponseBody,
            answer=ResponseAnswer,
            is_streamed=True,
            other_statuses={**GENERATING, **_NOT_KEPT},
        ),
        Endpoint(
            "GET",
            _PATH,
            served.read,
            "A response that is kept; or, with stream=true, its events again",
            answer=ResponseAnswer,
            is_streamed=True,
            other_statuses=_NOT_KEPT,
            query=_READING,
        ),
        Endpoint(
            "DELETE",
            _PATH,
            served.delete,
            "A response is no longer kept",
            answer=DeletedAnswer,
            other_statuses=_NOT_KEPT,
        ),
        Endpoint(
            "POST",
            f"{_PATH}/cancel",
            served.cancel,
            "A response in the background ends",
            answer=ResponseAnswer,
            other_statuses=_NOT_KEPT,
        ),
        Endpoint(
            "GET",
            f"{_PATH}/input_items",
            served.list_input,
            "What a response was given, in pages",
            answer=ItemsAnswer,
            other_statuses=_NOT_KEPT,
            query=_LISTING,
        ),
    )


class _Served:
    """The endpoints, of one gateway."""

    def __init__(self, responses: Responses, model: ServedModel) -> None:
        self._responses = responses
        self._names = TokenNames(model)

    async def create(self, exchange: Exchange) -> None:
        refuse_idempotency_key(exchange.header(IDEMPOTENCY_KEY))
        body = read_response_body(await exchange.body_object())
        request = response_request(body, self._responses.new_id)
        async with exchange.while_connected():
            live = await self._responses.create(request)
            if body.stream:
                await self._send_events(exchange, live.follow())
            elif request.is_background:
                await self._send(exchange, live.response)
            else:
                await self._send(exchange, await live.finished())

    async def read(self, exchange: Exchange) -> None:
        query = ResponseQuery(exchange.query, _READING)
        starting_after = query.whole_number("starting_after", 0, _MOST_EVENTS)
        if query.truth("stream"):
            after = -1 if starting_after is None else starting_after
            events = await self._responses.follow(_response_id(exchange), after)
            async with exchange.while_connected():
                await self._send_events(exchange, events)
            return
        query.check_absent("starting_after", "it says where a stream goes on; send stream=true with it")
        await self._send(exchange, (await self._responses.find(_response_id(exchange))).response)

    async def delete(self, exchange: Exchange) -> None:
        response_id = _response_id(exchange)
        await self._responses.delete(response_id)
        await exchange.send_json({"id": response_id, "object": "response", "deleted": True})

    async def cancel(self, exchange: Exchange) -> None:
        await self._send(exchange, await self._responses.cancel(_response_id(exchange)))

    async def list_input(self, exchange: Exchange) -> None:
        query = ResponseQuery(exchange.query, _LISTING)
        stored = await self._responses.find(_response_id(exchange))
        items = [item_json(item, self._names) for item in stored.context]
        await exchange.send_json(page_json(items, query))

    async def _send(self, exchange: Exchange, response: Response) -> None:
        await exchange.send_json(response_json(response, self._names))

    async def _send_events(self, exchange: Exchange, batches: AsyncGenerator[EventBatch, None]) -> None:
        await send_events(exchange, self._bytes_of(batches), _NO_LAST_EVENT)

    async def _bytes_of(self, batches: AsyncGenerator[EventBatch, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(batches):
            async for batch in batches:
                yield batch_bytes(batch, self._names)


def _response_id(exchange: Exchange) -> str:
    return exchange.path_parameters["response_id"]
