"""A whole chat answer, added up from its events: what the unary twins of streams give back.

Pure. Not here: the wire, and errors (`calls.whole`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.chat.chat_events import (
    ChatEvent,
    ChatFinish,
    ChoiceEnded,
    ContentDelta,
    ReasoningDelta,
    ToolArgumentsDelta,
    ToolCallBegan,
)
from gateway.chat.turns import ToolCall
from gateway.harmony.settings import Channel
from model.sampling.sampled_tokens import PositionLogprobs
from workers.engine.events import RequestEnded, Usage


@dataclass(slots=True)
class ChatChoice:
    """One choice, as far as it has come. `preamble` is what was said before a tool was called."""

    reasoning: str = ""
    preamble: str = ""
    content: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    logprobs: list[PositionLogprobs] = field(default_factory=list)
    finish: ChatFinish | None = None
    stopped_by: str | None = None


class ChatResult:
    """`take` every batch; it is whole when `usage` is there."""

    def __init__(self, num_choices: int) -> None:
        self.choices = [ChatChoice() for _ in range(num_choices)]
        self.usage: Usage | None = None

    def take(self, events: Sequence[ChatEvent]) -> None:
        for event in events:
            self._take(event)

    def _take(self, event: ChatEvent) -> None:
        match event:
            case ReasoningDelta():
                self.choices[event.choice].reasoning += event.text
            case ContentDelta():
                self._take_content(self.choices[event.choice], event)
            case ToolCallBegan():
                self.choices[event.choice].tool_calls.append(ToolCall(event.call_id, event.name, ""))
            case ToolArgumentsDelta():
                calls = self.choices[event.choice].tool_calls
                call = calls[event.call_index]
                calls[event.call_index] = ToolCall(call.call_id, call.name, call.arguments + event.text)
            case ChoiceEnded():
                choice = self.choices[event.choice]
                choice.finish, choice.stopped_by = event.finish, event.stopped_by
            case RequestEnded():
                self.usage = event.usage

    def _take_content(self, choice: ChatChoice, delta: ContentDelta) -> None:
        if delta.channel is Channel.FINAL:
            choice.content += delta.text
        else:
            choice.preamble += delta.text
        choice.logprobs += delta.logprobs
