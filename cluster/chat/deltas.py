"""What the client hears of an answer, piece by piece: plain values.

Not here: how it comes over the wire (`wire`), and how it looks (`screen`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """The answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """Of the call with this number: its id and name come first, then its arguments in parts."""

    index: int
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """Why the answer ended: stop, length, tool_calls."""

    reason: str


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens."""

    prompt: int
    cached: int
    output: int
    reasoning: int


Delta = Reasoning | Content | ToolCallPart | Finished | Spent
