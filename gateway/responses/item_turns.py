"""Items, as clients keep them, become turns, as the chat takes them.

Pure. Not here: which reasoning the model is shown again (harmony's history decides).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, Turn, UserTurn
from gateway.responses.items import (
    CallItem,
    CallOutputItem,
    Item,
    ItemStatus,
    MessageItem,
    Phase,
    ReasoningItem,
    Speaker,
)


def turns_of(instructions: str | None, items: Iterable[Item]) -> tuple[Turn, ...]:
    """What the assistant says in a row becomes one turn, or several where its order asks for it."""
    turns: list[Turn] = [InstructionTurn(instructions)] if instructions else []
    said = _Said()
    for item in items:
        if _is_cut_call(item):
            continue
        if not _is_said_by_assistant(item):
            turns += said.turns()
            said = _Said()
            turns.append(_turn_of(item))
            continue
        if not said.has_room_for(item):
            turns += said.turns()
            said = _Said()
        said.add(item)
    return (*turns, *said.turns())


def _is_cut_call(item: Item) -> bool:
    """Nothing can have come of it."""
    return isinstance(item, CallItem) and item.status is not ItemStatus.COMPLETED


def _is_said_by_assistant(item: Item) -> bool:
    match item:
        case MessageItem():
            return item.speaker is Speaker.ASSISTANT
        case ReasoningItem() | CallItem():
            return True
        case CallOutputItem():
            return False


def _turn_of(item: Item) -> Turn:
    match item:
        case CallOutputItem():
            return ToolTurn(item.call_id, item.output)
        case MessageItem(speaker=Speaker.USER):
            return UserTurn(item.text)
        case MessageItem():
            return InstructionTurn(item.text)
        case _:
            raise AssertionError(f"{item} is said by the assistant")


@dataclass
class _Said:
    """One turn of the assistant, as far as it has come: reasoning, then text, then calls."""

    reasoning: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    is_answered: bool = False  # what was said was no preamble

    def has_room_for(self, item: Item) -> bool:
        match item:
            case CallItem():
                return True
            case _:
                return not self.calls and not self.is_answered

    def add(self, item: Item) -> None:
        match item:
            case ReasoningItem():
                self.reasoning.append(item.text)
            case MessageItem():
                self.content.append(item.text)
                self.is_answered = item.phase is not Phase.COMMENTARY
            case CallItem():
                self.calls.append(ToolCall(item.call_id, item.name, item.arguments))

    def turns(self) -> tuple[AssistantTurn, ...]:
        if not (self.reasoning or self.content or self.calls):
            return ()
        return (AssistantTurn("\n".join(self.reasoning), "\n".join(self.content), tuple(self.calls)),)
