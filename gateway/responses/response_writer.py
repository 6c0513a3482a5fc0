"""Writes one response: the deltas of a chat in, the events of the response out, and at any time the response.

Pure: ids and time are given to it. Not here: who reads the events, and how long they are kept.
"""

from collections.abc import Callable
from dataclasses import replace

from gateway.chat.chat_events import (
    ChatEvent,
    ChatFinish,
    ChoiceEnded,
    ContentDelta,
    ReasoningDelta,
    ToolArgumentsDelta,
    ToolCallBegan,
)
from gateway.client_error import told
from gateway.responses.items import CallItem, Item, ItemStatus
from gateway.responses.open_items import OpenCall, OpenItem, OpenMessage, OpenReasoning
from gateway.responses.response import Response, ResponseFailure, ResponseStatus
from gateway.responses.response_events import Moment, ResponseEvent, ResponseMoment
from protos.errors import RequestCancelledError
from workers.engine.events import RequestEnded

NewId = Callable[[str], str]
"""Of a prefix: an id that nobody has or can guess."""


class ResponseWriter:
    """`take` every event of the chat. Its terminal event is passed on as it is; `end` says what it means."""

    def __init__(self, begun: Response, new_id: NewId, clock: Callable[[], float]) -> None:
        self._begun = begun
        self._new_id = new_id
        self._clock = clock
        self._done: list[Item] = []
        self._open: OpenItem | None = None
        self._finish: ChatFinish | None = None
        self._has_begun = False
        self._ended: Response | None = None

    @property
    def is_background(self) -> bool:
        return self._begun.request.is_background

    @property
    def response(self) -> Response:
        """As far as it has come."""
        if self._ended is not None:
            return self._ended
        if not self._has_begun:
            return self._begun
        return replace(self._begun, status=ResponseStatus.IN_PROGRESS, output=self._output())

    def opening(self) -> list[ResponseEvent]:
        """What can be told of one in the background before anything is known of it."""
        return [ResponseMoment(Moment.CREATED, self._begun), ResponseMoment(Moment.QUEUED, self._begun)]

    def take(self, event: ChatEvent) -> list[ResponseEvent | RequestEnded]:
        told: list[ResponseEvent | RequestEnded] = []
        if not self._has_begun:
            told += self._begin()
        match event:
            case ReasoningDelta():
                item, beginning = self._reasoning()
                told += [*beginning, item.grow(event.text)]
            case ContentDelta():
                message, beginning = self._message(event)
                told += [*beginning, message.grow(event)]
            case ToolCallBegan():
                told += self._begin_item(self._new_call(event))
            case ToolArgumentsDelta():
                call = self._open
                assert isinstance(call, OpenCall), "arguments follow the beginning of their call"
                told.append(call.grow(event.text))
            case ChoiceEnded():
                told += self._finish_items(event.finish)
            case RequestEnded():
                told.append(event)
        return told

    def end(self, ended: RequestEnded) -> Response:
        """The response as it stays; the same however often it is asked for."""
        if self._ended is None:
            self._ended = self._end(ended)
        return self._ended

    def _begin(self) -> list[ResponseEvent]:
        self._has_begun = True
        now = self.response
        if self.is_background:
            return [ResponseMoment(Moment.IN_PROGRESS, now)]
        return [ResponseMoment(Moment.CREATED, now), ResponseMoment(Moment.IN_PROGRESS, now)]

    def _reasoning(self) -> tuple[OpenReasoning, list[ResponseEvent]]:
        if isinstance(self._open, OpenReasoning):
            return self._open, []
        item = OpenReasoning(self._new_id("rs"), self._next_index())
        return item, self._begin_item(item)

    def _message(self, delta: ContentDelta) -> tuple[OpenMessage, list[ResponseEvent]]:
        if isinstance(self._open, OpenMessage) and self._open.channel is delta.channel:
            return self._open, []
        item = OpenMessage(self._new_id("msg"), self._next_index(), delta.channel)
        return item, self._begin_item(item)

    def _new_call(self, event: ToolCallBegan) -> OpenCall:
        call = CallItem(self._new_id("fc"), event.call_id, event.name, "", ItemStatus.IN_PROGRESS)
        return OpenCall(call, self._next_index())

    def _next_index(self) -> int:
        """Of the item that is about to begin; the one that is open ends before it."""
        return len(self._done) + (self._open is not None)

    def _begin_item(self, item: OpenItem) -> list[ResponseEvent]:
        told = self._end_item(ItemStatus.COMPLETED)
        self._open = item
        return told + item.beginning()

    def _end_item(self, status: ItemStatus) -> list[ResponseEvent]:
        if self._open is None:
            return []
        told = self._open.end(status)
        self._done.append(self._open.item)
        self._open = None
        return told

    def _finish_items(self, finish: ChatFinish) -> list[ResponseEvent]:
        self._finish = finish
        return self._end_item(ItemStatus.INCOMPLETE if self._is_cut else ItemStatus.COMPLETED)

    @property
    def _is_cut(self) -> bool:
        return self._finish in (ChatFinish.LENGTH, ChatFinish.LENGTH_IN_REASONING)

    def _output(self) -> tuple[Item, ...]:
        return (*self._done, self._open.item) if self._open is not None else tuple(self._done)

    def _end(self, ended: RequestEnded) -> Response:
        self._end_item(ItemStatus.INCOMPLETE)
        return replace(
            self._begun,
            status=self._last_status(ended),
            output=self._output(),
            usage=ended.usage,
            failure=_failure(ended),
            ended_at=int(self._clock()),
        )

    def _last_status(self, ended: RequestEnded) -> ResponseStatus:
        if isinstance(ended.error, RequestCancelledError):
            return ResponseStatus.CANCELLED
        if ended.error is not None:
            return ResponseStatus.FAILED
        return ResponseStatus.INCOMPLETE if self._is_cut else ResponseStatus.COMPLETED


def _failure(ended: RequestEnded) -> ResponseFailure | None:
    if ended.error is None or isinstance(ended.error, RequestCancelledError):
        return None
    return ResponseFailure.of(told(ended.error, ended.request_id, "the end of its response"))
