"""The seam between the engine and what computes: a step's work, and what came of it.

The engine plans and judges; a `StepModel` runs the forward pass and samples. Tests and benchmarks put models
of their own here. No tensors: page tables and numbers go in, tokens come out.

What is made for every sequence at every step is a NamedTuple: a frozen dataclass takes three times as long to
make, which was a third of the engine's own time (docs/log.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from model.pages import SequencePages
from model.sampling.parameters import SamplingParameters
from model.sampling.sampled_tokens import PositionLogprobs
from protos.errors import ExpertMeshError
from workers.grammar.state import GrammarState


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What the next token must be, or must not be."""

    forced: int | None = None  # yields to a grammar that does not allow it
    banned: frozenset[int] = frozenset()
    grammar: GrammarState | None = None

    @property
    def are_none(self) -> bool:
        return self.forced is None and not self.banned and self.grammar is None


FREE = TokenRules()


class Draw(NamedTuple):
    """Sample the token after the share's last one, and after each draft behind it."""

    choice_key: int  # the same for all steps of a choice, no other's
    choice: int
    parameters: SamplingParameters
    history: Sequence[int]  # every token so far, prompt and output; grows between steps
    num_prompt: int
    rules: TokenRules


@dataclass(frozen=True, slots=True)
class PromptScores:
    """Say how likely the model found these tokens, which follow the share's own one by one."""

    targets: Sequence[int]
    top_n: int


class Work(NamedTuple):
    """One sequence's share of a step: tokens at first_position, first_position + 1, …, then drafts."""

    token_ids: Sequence[int]
    drafts: tuple[int, ...]
    first_position: int
    tables: SequencePages
    draw: Draw | None
    scores: PromptScores | None = None


class WorkResult(NamedTuple):
    """What came of a `Work`: with an error nothing else."""

    token_ids: tuple[int, ...] = ()  # one for the draw and one for each draft: what follows it
    logprobs: tuple[PositionLogprobs | None, ...] = ()
    prompt_logprobs: tuple[PositionLogprobs, ...] = ()
    error: ExpertMeshError | None = None


class StepModel(Protocol):
    """Runs steps. Called from one thread; an exception means that no request can go on."""

    def run(self, works: Sequence[Work]) -> Sequence[WorkResult]:
        """One result for each, in order."""
        ...

    def forget(self, choice_key: int) -> None:
        """The choice has ended: nothing that was kept for it is wanted."""
        ...

    def close(self) -> None:
        """No step will follow."""
        ...
