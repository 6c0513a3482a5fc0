"""Requests, responses and items for tests, and ids that can be foretold."""

from collections import Counter

from gateway.responses.items import Item, MessageItem, Speaker
from gateway.responses.response import Response, ResponseStatus
from gateway.responses.response_request import ResponseRequest
from gateway.responses.response_store import StoredResponse
from workers.engine.events import RequestEnded, Usage

NOW = 1_700_000_000

USAGE = Usage(
    prompt_tokens=17,
    cached_tokens=5,
    output_tokens=11,
    reasoning_tokens=3,
    drafted_tokens=0,
    accepted_tokens=0,
    queue_s=0.0,
    compute_s=0.0,
)


class CountedIds:
    """msg_0, rs_0, msg_1, …"""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def __call__(self, prefix: str) -> str:
        number = self._given[prefix]
        self._given[prefix] += 1
        return f"{prefix}_{number}"


class FakeClock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def user(item_id: str, text: str) -> MessageItem:
    return MessageItem(item_id, Speaker.USER, (text,))


def request(*items: Item, model: str = "tiny", **fields: object) -> ResponseRequest:
    return ResponseRequest(model, items or (user("msg_in", "Is the sea blue?"),), **fields)  # type: ignore[arg-type]


def response(
    response_id: str = "resp_0", status: ResponseStatus = ResponseStatus.IN_PROGRESS, *output: Item
) -> Response:
    return Response(response_id, request(), NOW, status, output)


def stored(response_id: str, context: tuple[Item, ...], *output: Item) -> StoredResponse:
    return StoredResponse(response(response_id, ResponseStatus.COMPLETED, *output), context)


def ended(error: Exception | None = None) -> RequestEnded:
    return RequestEnded("resp_0", USAGE, error)  # type: ignore[arg-type]
