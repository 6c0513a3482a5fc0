"""A conversation as the client keeps it: what was said, and how answers are wanted.

Not here: asking (`chat_client`). Changed by the session alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cluster.chat.deltas import Content, Delta, Reasoning, ToolCallPart
from cluster.chat.wire import Json, Message


class Effort(StrEnum):
    """How long the model thinks."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(slots=True)
class ToolCall:
    call_id: str
    name: str
    arguments: str = ""


@dataclass(slots=True)
class Answer:
    """As far as it has come."""

    reasoning: str = ""
    content: str = ""
    tool_calls: dict[int, ToolCall] = field(default_factory=dict)

    def take(self, delta: Delta) -> None:
        match delta:
            case Reasoning(text):
                self.reasoning += text
            case Content(text):
                self.content += text
            case ToolCallPart():
                call = self.tool_calls.setdefault(
                    delta.index, ToolCall(delta.call_id or "", delta.name or "")
                )
                call.arguments += delta.arguments

    @property
    def message(self) -> Message:
        """The reasoning goes along only as long as a tool is to answer: the model drops it afterwards."""
        message: Message = {"role": "assistant", "content": self.content or None}
        if self.tool_calls:
            message["reasoning"] = self.reasoning
            message["tool_calls"] = [
                {
                    "id": call.call_id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.tool_calls.values()
            ]
        return message


@dataclass(slots=True)
class Conversation:
    """`model` is as the gateway calls it."""

    model: str
    system: str | None = None
    effort: Effort = Effort.MEDIUM
    options: Mapping[str, object] = field(default_factory=dict)  # of every request
    tools: Sequence[Json] = ()
    messages: list[Message] = field(default_factory=list)

    @property
    def request(self) -> Json:
        system: list[Message] = [] if self.system is None else [{"role": "system", "content": self.system}]
        return {
            "model": self.model,
            "messages": [*system, *self.messages],
            "reasoning_effort": self.effort.value,
            **({"tools": self.tools} if self.tools else {}),
            **self.options,
        }

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def hear(self, answer: Answer) -> None:
        self.messages.append(answer.message)

    def report(self, call: ToolCall, output: str) -> None:
        """What a tool has answered."""
        self.messages.append({"role": "tool", "tool_call_id": call.call_id, "content": output})

    def forget(self, num_messages: int) -> None:
        """All behind the first so many."""
        del self.messages[num_messages:]

    def save(self, path: Path) -> None:
        document = {"model": self.model, "system": self.system, "messages": self.messages}
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
