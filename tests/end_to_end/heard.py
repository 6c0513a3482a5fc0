"""What a client has heard of an answer, over whichever face; and the face as the tests see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Message = Mapping[str, object]
"""As the OpenAI API has it."""


@dataclass(frozen=True, slots=True)
class Call:
    """Of a tool."""

    call_id: str
    name: str
    arguments: str


@dataclass(slots=True)
class Heard:
    """Of a streamed answer, when it has ended."""

    reasoning: str = ""
    content: str = ""
    calls: list[Call] = field(default_factory=list)
    finish: str = ""
    num_pieces: int = 0  # that brought reasoning or content
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def message(self) -> Message:
        """As it goes back to the model."""
        calls = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in self.calls
        ]
        said: dict[str, object] = {"role": "assistant", "content": self.content or None}
        return {**said, "reasoning": self.reasoning, "tool_calls": calls} if calls else said

    @property
    def told(self) -> tuple[object, ...]:
        """What must not depend on who serves it: all but the cache, and how it was cut into pieces."""
        calls = [(call.name, call.arguments) for call in self.calls]
        return (self.reasoning, self.content, calls, self.prompt_tokens, self.output_tokens)


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    parameters: Mapping[str, object]  # a JSON schema


class Face(Protocol):
    """Greedy; an answer that does not end by itself is cut after so many tokens."""

    def chat(
        self,
        messages: Sequence[Message],
        *,
        effort: str = "medium",
        tools: Sequence[Tool] = (),
        schema: Mapping[str, object] | None = None,
    ) -> Heard: ...

    def classify(self, policy: str, labels: Sequence[str], content: str) -> tuple[str, str]:
        """-> the label, and the reasoning behind it."""
        ...


MAX_TOKENS = 200


def user(text: str) -> Message:
    return {"role": "user", "content": text}
