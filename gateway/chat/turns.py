"""A conversation as clients tell it. Both faces make turns; `chat.conversation` makes harmony of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model wants done. `arguments` is JSON, as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class InstructionTurn:
    """What the operator of the application says (OpenAI's system and developer messages)."""

    text: str


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the user says."""

    text: str


@dataclass(frozen=True, slots=True)
class AssistantTurn:
    """What the model said: any of these three, in this order.

    Content before a call is a preamble to it; `is_preamble` says so where the call is in a later turn.
    """

    reasoning: str = ""
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    is_preamble: bool = False


@dataclass(frozen=True, slots=True)
class ToolTurn:
    """What came of the call with this id."""

    call_id: str
    output: str


Turn = InstructionTurn | UserTurn | AssistantTurn | ToolTurn
