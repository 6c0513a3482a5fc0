"""What the sampler answers, as plain Python values: they travel past processes that have no torch.

`sampler` makes these; the engine and everything above it reads them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token with the natural logarithm of the probability that the model itself gave it."""

    token_id: int
    logprob: float


@dataclass(frozen=True, slots=True)
class PositionLogprobs:
    """The token of one position, and the likeliest tokens there: greatest first, of equals the lowest id."""

    chosen: TokenLogprob
    top: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class SampledTokens:
    """One entry for each row of the step, in its order."""

    token_ids: tuple[int, ...]
    logprobs: tuple[PositionLogprobs | None, ...]  # None for a row that did not ask
