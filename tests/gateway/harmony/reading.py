"""Puts a parser's events together again, and holds every sequence of them to what may follow what."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.harmony.conversation import Message
from gateway.harmony.events import EndedBy, MessageBegan, MessageEnded, MessageKind, ParserEvent, TextDelta
from gateway.harmony.parser import HarmonyParser


@dataclass(frozen=True)
class Read:
    """A message that was read."""

    began: MessageBegan
    deltas: tuple[TextDelta, ...]
    ended_by: EndedBy

    @property
    def kind(self) -> MessageKind:
        return self.began.kind

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def message(self) -> Message:
        began = self.began
        return Message(
            began.role, (self.text,), began.name, began.channel, began.recipient, began.content_type
        )


def assemble(events: Iterable[ParserEvent]) -> list[Read]:
    """Fails where a message does not begin, grow and end in this order."""
    messages: list[Read] = []
    began: MessageBegan | None = None
    deltas: list[TextDelta] = []
    next_token = 0
    for event in events:
        match event:
            case MessageBegan():
                assert began is None
                began, deltas = event, []
            case TextDelta():
                assert began is not None
                assert event.kind is began.kind
                assert event.text
                assert event.first_token >= next_token
                assert event.num_tokens >= 0
                next_token = event.first_token + event.num_tokens
                deltas.append(event)
            case MessageEnded():
                assert began is not None
                assert event.kind is began.kind
                messages.append(Read(began, tuple(deltas), event.ended_by))
                began = None
    assert began is None
    return messages


def read(parser: HarmonyParser, token_ids: Sequence[int], sizes: Sequence[int] = (1,)) -> list[ParserEvent]:
    """All that it says, the tokens given in pieces of these sizes, in turn."""
    events: list[ParserEvent] = []
    rest = list(token_ids)
    for size in itertools.cycle(sizes):
        if not rest:
            break
        events += parser.push(rest[:size])
        rest = rest[size:]
    return events + parser.finish()
