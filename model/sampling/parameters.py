"""How one request wants its tokens chosen, checked once and never changed.

Not here: tensors, so that a process without torch (the gateway) can build and check these. `sampler`
obeys them. Every default leaves the model's own distribution untouched.

A request without a seed gets one where it is admitted (`with_seed`), not at a worker and not per token: the
seed then lies in the request's log, and a worker that takes over a sequence draws the same tokens.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from protos.errors import InvalidRequestError

MAX_LOGPROBS = 20
MAX_BIASES = 1024
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """The steps are applied in the order of `kernels.sample`, which defines each."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None

    def __post_init__(self) -> None:
        _check_range("temperature", self.temperature, 0.0, 2.0)
        _check_range("min_p", self.min_p, 0.0, 1.0)
        _check_range("presence_penalty", self.presence_penalty, -2.0, 2.0)
        _check_range("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
        _check_optional("seed", self.seed, _INT64_MIN, _INT64_MAX)
        _check_optional("logprobs", self.logprobs, 0, MAX_LOGPROBS)
        _check_optional("prompt_logprobs", self.prompt_logprobs, 0, MAX_LOGPROBS)
        if len(self.logit_bias) > MAX_BIASES:
            raise InvalidRequestError(
                f"logit_bias names {len(self.logit_bias)} tokens; at most {MAX_BIASES} are allowed"
            )
        for token_id, bias in self.logit_bias.items():
            _check_range(f"logit_bias[{token_id}]", bias, -100.0, 100.0)
        self._check_open_ranges()

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0

    @property
    def has_penalties(self) -> bool:
        return (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) != (1.0, 0.0, 0.0)

    @property
    def has_top_filter(self) -> bool:
        """Whether top-k or top-p may drop a token: the filters that have to rank."""
        return self.top_k is not None or self.top_p < 1

    def check_vocabulary(self, vocab_size: int) -> None:
        """Once the model is known: every biased token must be one of its tokens."""
        for token_id in self.logit_bias:
            if not 0 <= token_id < vocab_size:
                raise InvalidRequestError(
                    f"logit_bias names token {token_id}; the vocabulary has the tokens 0 to {vocab_size - 1}"
                )

    def with_seed(self, entropy: int) -> "SamplingParameters":
        """These, with `entropy` (any int64) for a seed that the request did not give."""
        return self if self.seed is not None else replace(self, seed=entropy)

    def _check_open_ranges(self) -> None:
        if not 0 < self.top_p <= 1:
            raise InvalidRequestError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if not 0 < self.repetition_penalty < math.inf:
            raise InvalidRequestError(
                f"repetition_penalty is {self.repetition_penalty}; it must be above 0 and finite (1 is none)"
            )
        if self.top_k is not None and self.top_k < 1:
            raise InvalidRequestError(f"top_k is {self.top_k}; it must be at least 1, or left out")


def _check_range(name: str, value: float, least: float, greatest: float) -> None:
    if not least <= value <= greatest:  # also catches NaN
        raise InvalidRequestError(f"{name} is {value}; it must be from {least:g} to {greatest:g}")


def _check_optional(name: str, value: int | None, least: int, greatest: int) -> None:
    if value is not None and not least <= value <= greatest:
        raise InvalidRequestError(f"{name} is {value}; it must be from {least} to {greatest}, or left out")
