"""The items of a response's input and output: messages, reasoning, calls of functions and what came of them.

Plain values, never changed. Not here: how the wire writes them, and the turns that a model is shown
(`item_turns`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from model.sampling.sampled_tokens import PositionLogprobs


class ItemStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


class Speaker(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    DEVELOPER = "developer"


class Phase(StrEnum):
    """What a message of the assistant is to its user."""

    COMMENTARY = "commentary"  # said before a function is called
    FINAL_ANSWER = "final_answer"


@dataclass(frozen=True, slots=True)
class MessageItem:
    """`logprobs`: one a token, of a message that was written here, if they were asked for."""

    item_id: str
    speaker: Speaker
    texts: tuple[str, ...]  # its parts
    phase: Phase | None = None
    logprobs: Sequence[PositionLogprobs] = ()
    status: ItemStatus = ItemStatus.COMPLETED

    @property
    def text(self) -> str:
        return "".join(self.texts)


@dataclass(frozen=True, slots=True)
class ReasoningItem:
    item_id: str
    text: str
    status: ItemStatus = ItemStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class CallItem:
    """A function that is to be called; `arguments` is JSON, as the model wrote it."""

    item_id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus = ItemStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class CallOutputItem:
    """What came of the call with this id."""

    item_id: str
    call_id: str
    output: str
    status: ItemStatus = ItemStatus.COMPLETED


Item = MessageItem | ReasoningItem | CallItem | CallOutputItem


@dataclass(frozen=True, slots=True)
class ItemReference:
    """Stands in an input for an item that is kept."""

    item_id: str
