"""Items, as clients keep them, become turns, as the chat takes them.

Pure. Not here: which reasoning the model is shown again (harmony's history decides).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

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
    whole = (item for item in items if not _is_cut_call(item))
    for is_said_by_assistant, group in groupby(whole, _is_said_by_assistant):
        row = list(group)
        turns += _assistant_turns(row) if is_said_by_assistant else map(_turn_of, row)
    return tuple(turns)


def _assistant_turns(row: Iterable[Item]) -> Iterator[AssistantTurn]:
    said: list[_Said] = []
    for item in row:
        if not said or not said[-1].has_room_for(item):
            said.append(_Said())
        said[-1].add(item)
    for index, each in enumerate(said):
        yield each.turn(is_before_call=any(later.calls for later in said[index + 1 :]))


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
    """One turn of the assistant, as far as it has come: reasoning, then a text, then calls."""

    reasoning: list[str] = field(default_factory=list)
    message: MessageItem | None = None
    calls: list[ToolCall] = field(default_factory=list)

    def has_room_for(self, item: Item) -> bool:
        return isinstance(item, CallItem) or (self.message is None and not self.calls)

    def add(self, item: Item) -> None:
        match item:
            case ReasoningItem():
                self.reasoning.append(item.text)
            case MessageItem():
                self.message = item
            case CallItem():
                self.calls.append(ToolCall(item.call_id, item.name, item.arguments))

    def turn(self, *, is_before_call: bool) -> AssistantTurn:
        """`is_before_call`: a later turn of the same row calls; clients may have left the phase out."""
        reasoning, calls = "\n".join(self.reasoning), tuple(self.calls)
        if self.message is None:
            return AssistantTurn(reasoning, "", calls)
        phase = self.message.phase
        is_preamble = phase is Phase.COMMENTARY or (phase is None and is_before_call)
        return AssistantTurn(reasoning, self.message.text, calls, is_preamble=is_preamble and not calls)
