"""What a client is told of a chat: typed deltas per choice, the end of each choice, one terminal event.

The terminal event is the engine's RequestEnded. Hot: named tuples, as a frozen dataclass takes three times as
long to make.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from gateway.harmony.settings import Channel
from model.sampling.sampled_tokens import PositionLogprobs
from workers.engine.events import RequestEnded


class ChatFinish(StrEnum):
    """Why a choice ended by itself."""

    STOP = "stop"
    LENGTH = "length"  # max_tokens, or the context limit, in the answer
    LENGTH_IN_REASONING = "length_in_reasoning"  # the same, before there was any answer
    TOOL_CALLS = "tool_calls"


class ReasoningDelta(NamedTuple):
    """Text of the analysis channel."""

    choice: int
    text: str
    num_tokens: int = 1


class ContentDelta(NamedTuple):
    """Text for the user: the answer (final), or what is said before a tool is called (commentary)."""

    choice: int
    text: str
    channel: Channel
    logprobs: Sequence[PositionLogprobs] = ()  # one a token, if they were asked for
    num_tokens: int = 1


class ToolCallBegan(NamedTuple):
    """The model calls a tool; its arguments follow."""

    choice: int
    call_index: int  # of the choice's tool calls, from 0
    call_id: str
    name: str


class ToolArgumentsDelta(NamedTuple):
    """A part of the JSON text of a call's arguments."""

    choice: int
    call_index: int
    text: str
    num_tokens: int = 1


class ChoiceEnded(NamedTuple):
    """Nothing more comes of this choice."""

    choice: int
    finish: ChatFinish
    stopped_by: str | None = None  # the client's stop string, if one did
    num_recoveries: int = 0  # of harmony that the model wrote wrongly


ChatDelta = ReasoningDelta | ContentDelta | ToolCallBegan | ToolArgumentsDelta | ChoiceEnded
ChatEvent = ChatDelta | RequestEnded
