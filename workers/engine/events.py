"""What the engine says about a request: deltas as they come, and exactly one terminal event.

Plain values: they travel to gateways, which have no torch.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from model.sampling.sampled_tokens import PositionLogprobs
from protos.errors import ExpertMeshError


class FinishReason(StrEnum):
    """Why a choice ended by itself."""

    STOP = "stop"  # a stop token, a stop string, or a grammar that allows nothing more
    LENGTH = "length"  # max_tokens, or the context limit


@dataclass(frozen=True, slots=True)
class PromptEcho:
    """The prompt, for a request that asked for it or for its log-probabilities; before every delta."""

    request_id: str
    token_ids: tuple[int, ...]  # empty unless echo is asked for
    text: str
    logprobs: tuple[PositionLogprobs | None, ...]  # one a token, None for the first; empty unless asked for


class ChoiceDelta(NamedTuple):
    """What is new of one choice. Text may run ahead of a token whose last bytes may still be a stop."""

    request_id: str
    choice: int
    token_ids: tuple[int, ...]
    text: str
    logprobs: tuple[PositionLogprobs, ...]  # one a token, or empty
    finish: FinishReason | None = None
    stopped_by: str | int | None = None  # the stop string or stop token, if one did
    num_hidden: int = 0  # with a finish: tokens that count and are not shown, those of a stop string


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request has cost, however it ended."""

    prompt_tokens: int
    cached_tokens: int  # of the prompt, found in the cache
    output_tokens: int  # of all choices, stop tokens included
    reasoning_tokens: int  # of those, in the analysis channel
    drafted_tokens: int
    accepted_tokens: int  # drafts that proved right
    queue_s: float  # from submission to the first step
    compute_s: float  # the time of all steps that the request had a share in


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """The terminal event. Without an error every choice has had its finish reason."""

    request_id: str
    usage: Usage
    error: ExpertMeshError | None = None


Event = PromptEcho | ChoiceDelta | RequestEnded
