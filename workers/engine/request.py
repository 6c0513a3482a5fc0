"""What one asks of the engine: tokens in, and how tokens shall come out. Checked once, never changed.

Not here: chat messages and tenants (the gateway), limits that depend on the model (workers.engine.admission).
"""

import math
from dataclasses import dataclass, field
from enum import IntEnum

from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidRequestError
from workers.engine.written import NOTHING_WRITTEN, Written, WrittenChoice
from workers.grammar.spec import GrammarSpec

MAX_CHOICES = 128
MAX_STOP_STRINGS = 16
MAX_STOP_IDS = 1024
MAX_STOP_BYTES = 1024


class Priority(IntEnum):
    """The lower class is served first; how much first is EngineSettings.head_start."""

    INTERACTIVE = 0
    NORMAL = 1
    BATCH = 2


@dataclass(frozen=True, slots=True)
class StopRules:
    """When a choice ends before it has max_tokens.

    A stop string, and the text of a stop token, are not given out; the id of a stop token is. Stop strings
    are not looked for in the analysis channel, nor before min_tokens.
    """

    strings: tuple[str, ...] = ()
    token_ids: frozenset[int] = frozenset()
    model_stops: bool = True  # whether the stop tokens of the checkpoint stop too

    def __post_init__(self) -> None:
        if len(self.strings) > MAX_STOP_STRINGS:
            raise InvalidRequestError(
                f"{len(self.strings)} stop strings are given; at most {MAX_STOP_STRINGS} are allowed"
            )
        if len(self.token_ids) > MAX_STOP_IDS:
            raise InvalidRequestError(
                f"{len(self.token_ids)} stop tokens are given; at most {MAX_STOP_IDS} are allowed"
            )
        for text in self.strings:
            try:
                num_bytes = len(text.encode())
            except UnicodeEncodeError as error:
                raise InvalidRequestError(
                    f"the stop string {text!r} is not valid Unicode: {error}"
                ) from error
            if not 0 < num_bytes <= MAX_STOP_BYTES:
                raise InvalidRequestError(
                    f"a stop string has {num_bytes} bytes; it must have from 1 to {MAX_STOP_BYTES}"
                )


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt and one or more choices of what follows it."""

    request_id: str
    prompt: tuple[int, ...]
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    max_tokens: int | None = None  # None: up to the context limit
    min_tokens: int = 0  # stop tokens are not sampled before
    num_choices: int = 1
    stop: StopRules = field(default_factory=StopRules)
    grammar: GrammarSpec | None = None
    reasoning_budget: int | None = None  # tokens of the analysis channel, which is then closed by force
    echo: bool = False  # give the prompt back first, with log-probabilities if they are asked for
    priority: Priority = Priority.NORMAL
    timeout_s: float | None = None
    cache_salt: bytes = b""  # what is computed for one salt is never found under another
    written: Written | None = None  # for a request that goes on where another worker left it

    def __post_init__(self) -> None:
        if not self.prompt:
            raise InvalidRequestError("the prompt is empty; it needs at least one token")
        _check("max_tokens", self.max_tokens, 0)
        _check("min_tokens", self.min_tokens, 0)
        _check("reasoning_budget", self.reasoning_budget, 0)
        if self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise InvalidRequestError(
                f"min_tokens is {self.min_tokens} and max_tokens {self.max_tokens}; it cannot be more"
            )
        if not 1 <= self.num_choices <= MAX_CHOICES:
            raise InvalidRequestError(
                f"num_choices is {self.num_choices}; it must be from 1 to {MAX_CHOICES}"
            )
        if self.timeout_s is not None and not 0 < self.timeout_s < math.inf:
            raise InvalidRequestError(
                f"timeout_s is {self.timeout_s}; it must be above 0 and finite, or left out"
            )
        if self.written is not None:
            self._check_written(self.written)

    def written_of(self, choice: int) -> WrittenChoice:
        return NOTHING_WRITTEN if self.written is None else self.written.choices[choice]

    def _check_written(self, written: Written) -> None:
        if len(written.choices) != self.num_choices:
            raise InvalidRequestError(
                f"{len(written.choices)} choices are written already and num_choices is {self.num_choices}; "
                f"each must be there, if only empty"
            )
        if written.num_tokens and self.sampling.seed is None and not self.sampling.is_greedy:
            raise InvalidRequestError(
                f"{written.num_tokens} tokens are written already and the request has no seed; it can only "
                f"go on with the seed that it began with"
            )


def _check(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise InvalidRequestError(f"{name} is {value}; it must be at least {least}")
