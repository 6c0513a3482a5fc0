"""The item that is being written: what is told when it begins, grows and is done.

`response_writer` holds one at a time. A mutable class each, since an item is a small state machine.
"""

from dataclasses import replace
from typing import Protocol

from gateway.chat.chat_events import ContentDelta
from gateway.harmony.settings import Channel
from gateway.responses.items import CallItem, Item, ItemStatus, MessageItem, Phase, ReasoningItem, Speaker
from gateway.responses.response_events import (
    ArgumentsDelta,
    ArgumentsDone,
    ItemAdded,
    ItemDone,
    PartAdded,
    PartDone,
    ResponseEvent,
    TextDelta,
    TextDone,
    TextKind,
)
from model.sampling.sampled_tokens import PositionLogprobs


class OpenItem(Protocol):
    def beginning(self) -> list[ResponseEvent]: ...

    def end(self, status: ItemStatus) -> list[ResponseEvent]:
        """From now on `item` has this status."""
        ...

    @property
    def item(self) -> Item:
        """As far as it has come."""
        ...


class OpenReasoning:
    def __init__(self, item_id: str, output_index: int) -> None:
        self._place = (TextKind.REASONING, item_id, output_index)
        self._texts: list[str] = []
        self._status = ItemStatus.IN_PROGRESS

    @property
    def item(self) -> ReasoningItem:
        return ReasoningItem(self._place[1], "".join(self._texts), self._status)

    def beginning(self) -> list[ResponseEvent]:
        return [ItemAdded(self._place[2], self.item), PartAdded(*self._place)]

    def grow(self, text: str) -> TextDelta:
        self._texts.append(text)
        return TextDelta(*self._place, text)

    def end(self, status: ItemStatus) -> list[ResponseEvent]:
        self._status = status
        item = self.item
        return [
            TextDone(*self._place, item.text),
            PartDone(*self._place, item.text),
            ItemDone(self._place[2], item),
        ]


class OpenMessage:
    def __init__(self, item_id: str, output_index: int, channel: Channel) -> None:
        self.channel = channel
        self._place = (TextKind.OUTPUT, item_id, output_index)
        self._texts: list[str] = []
        self._logprobs: list[PositionLogprobs] = []
        self._status = ItemStatus.IN_PROGRESS

    @property
    def item(self) -> MessageItem:
        phase = Phase.FINAL_ANSWER if self.channel is Channel.FINAL else Phase.COMMENTARY
        text, logprobs = "".join(self._texts), tuple(self._logprobs)
        return MessageItem(self._place[1], Speaker.ASSISTANT, (text,), phase, logprobs, self._status)

    def beginning(self) -> list[ResponseEvent]:
        return [ItemAdded(self._place[2], replace(self.item, texts=())), PartAdded(*self._place)]

    def grow(self, delta: ContentDelta) -> TextDelta:
        self._texts.append(delta.text)
        self._logprobs += delta.logprobs
        return TextDelta(*self._place, delta.text, delta.logprobs)

    def end(self, status: ItemStatus) -> list[ResponseEvent]:
        self._status = status
        item = self.item
        return [
            TextDone(*self._place, item.text, item.logprobs),
            PartDone(*self._place, item.text, item.logprobs),
            ItemDone(self._place[2], item),
        ]


class OpenCall:
    def __init__(self, item: CallItem, output_index: int) -> None:
        self._begun = item
        self._output_index = output_index
        self._texts: list[str] = []
        self._status = ItemStatus.IN_PROGRESS

    @property
    def item(self) -> CallItem:
        return replace(self._begun, arguments="".join(self._texts), status=self._status)

    def beginning(self) -> list[ResponseEvent]:
        return [ItemAdded(self._output_index, self.item)]

    def grow(self, text: str) -> ArgumentsDelta:
        self._texts.append(text)
        return ArgumentsDelta(self._begun.item_id, self._output_index, text)

    def end(self, status: ItemStatus) -> list[ResponseEvent]:
        self._status = status
        item = self.item
        return [
            ArgumentsDone(item.item_id, self._output_index, item.name, item.arguments),
            ItemDone(self._output_index, item),
        ]
