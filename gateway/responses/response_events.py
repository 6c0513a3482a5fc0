"""What whoever follows a response is told, in order. Events are numbered from 0, by their call.

Plain values. An item is added, its text comes in deltas, and it is done, before another is added. The one
terminal event is a `ResponseMoment` whose response has ended. Hot: named tuples.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from gateway.responses.items import Item
from gateway.responses.response import Response, ResponseStatus
from model.sampling.sampled_tokens import PositionLogprobs


class Moment(StrEnum):
    CREATED = "created"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"  # or cancelled: the response says which

    @classmethod
    def of_end(cls, status: ResponseStatus) -> "Moment":
        match status:
            case ResponseStatus.COMPLETED:
                return cls.COMPLETED
            case ResponseStatus.INCOMPLETE:
                return cls.INCOMPLETE
            case _:
                return cls.FAILED


class TextKind(StrEnum):
    """Of which sort of text a part is."""

    OUTPUT = "output_text"
    REASONING = "reasoning_text"


class ResponseMoment(NamedTuple):
    """The whole response, at a moment of its life."""

    moment: Moment
    response: Response


class ItemAdded(NamedTuple):
    output_index: int
    item: Item


class PartAdded(NamedTuple):
    """Every message and every reasoning item written here has one part."""

    kind: TextKind
    item_id: str
    output_index: int


class TextDelta(NamedTuple):
    kind: TextKind
    item_id: str
    output_index: int
    text: str
    logprobs: Sequence[PositionLogprobs] = ()


class TextDone(NamedTuple):
    kind: TextKind
    item_id: str
    output_index: int
    text: str
    logprobs: Sequence[PositionLogprobs] = ()


class PartDone(NamedTuple):
    kind: TextKind
    item_id: str
    output_index: int
    text: str
    logprobs: Sequence[PositionLogprobs] = ()


class ArgumentsDelta(NamedTuple):
    item_id: str
    output_index: int
    text: str


class ArgumentsDone(NamedTuple):
    item_id: str
    output_index: int
    name: str
    arguments: str


class ItemDone(NamedTuple):
    output_index: int
    item: Item


ResponseEvent = (
    ResponseMoment
    | ItemAdded
    | PartAdded
    | TextDelta
    | TextDone
    | PartDone
    | ArgumentsDelta
    | ArgumentsDone
    | ItemDone
)
