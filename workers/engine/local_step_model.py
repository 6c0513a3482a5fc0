"""Runs steps on a model in this process: batch, forward pass with the grammars' masks meanwhile, tokens.

Not here: who is in the step and what its tokens mean. Called by the engine's thread only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from torch import Tensor

from model.kv_cache import KvCache
from model.sampling.sampled_tokens import PositionLogprobs
from model.sampling.sampler import Sampler
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from protos.errors import BrokenLogitsError, ExpertMeshError
from workers.engine.row_masks import RowMasks
from workers.engine.row_sampling import SampledRow, sample_rows
from workers.engine.sampler_rows import SamplerRows
from workers.engine.step_work import PromptScores, Work, WorkResult


class ForwardPass(Protocol):
    """What `model.gpt_oss.GptOss` is."""

    def forward(self, batch: StepBatch, cache: KvCache) -> Tensor:
        """-> logits of the tokens that want them, [outputs, vocab] float32."""
        ...


class LocalStepModel:
    """A StepModel over a forward pass and a cache of this process."""

    def __init__(self, forward_pass: ForwardPass, cache: KvCache, sampler: Sampler) -> None:
        self._forward_pass = forward_pass
        self._cache = cache
        self._sampler = sampler
        self._rows = SamplerRows()
        self._masks = RowMasks(sampler.vocab_size)

    def run(self, works: Sequence[Work]) -> list[WorkResult]:
        device = self._cache.keys.device
        batch = StepBatch.build([_chunk(work) for work in works], device)
        masks = self._masks.begin([(work.draw.rules, work.drafts) for work in works if work.draw is not None])
        logits = self._forward_pass.forward(batch, self._cache)  # [outputs, vocab]
        spans = _spans(works)
        sampler_rows = [
            row for work in works if work.draw is not None for row in self._rows.of(work.draw, work.drafts)
        ]
        drawn = _rows_that_draw(works, spans, logits)  # [draws, vocab]
        sampled = iter(sample_rows(self._sampler, drawn, sampler_rows, masks.wait(device)))
        results = []
        for work, span in zip(works, spans, strict=True):
            rows = list(islice(sampled, _num_draws(work)))
            scores = self._score(work.scores, logits[span]) if work.scores is not None else _NO_SCORES
            results.append(_result(rows, scores))
        return results

    def forget(self, choice_key: int) -> None:
        self._rows.forget(choice_key)

    def close(self) -> None:
        self._masks.close()

    def _score(self, scores: PromptScores, logits: Tensor) -> "_Scored":
        """logits: [outputs of this work, vocab]"""
        targets = scores.targets
        if not targets:
            return _NO_SCORES
        try:
            return _Scored(self._sampler.prompt_logprobs(logits[: len(targets)], targets, scores.top_n))
        except BrokenLogitsError:
            return _Scored((), BrokenLogitsError((0,)))


@dataclass(frozen=True, slots=True)
class _Scored:
    logprobs: tuple[PositionLogprobs, ...]
    error: ExpertMeshError | None = None


_NO_SCORES = _Scored(())


def _result(rows: Sequence[SampledRow], scored: _Scored) -> WorkResult:
    errors = [row.error for row in rows if row.error is not None]
    if errors or scored.error:
        return WorkResult(error=scored.error or errors[0])
    token_ids = tuple([row.token_id for row in rows if row.token_id is not None])
    return WorkResult(token_ids, tuple([row.logprobs for row in rows]), scored.logprobs)


def _chunk(work: Work) -> SequenceChunk:
    return SequenceChunk([*work.token_ids, *work.drafts], work.first_position, work.tables, _wanted(work))


def _wanted(work: Work) -> LogitsWanted:
    if work.scores is not None or work.drafts:
        return LogitsWanted.ALL
    return LogitsWanted.NONE if work.draw is None else LogitsWanted.LAST


def _num_draws(work: Work) -> int:
    return 0 if work.draw is None else 1 + len(work.drafts)


def _num_logits(work: Work) -> int:
    match _wanted(work):
        case LogitsWanted.ALL:
            return len(work.token_ids) + len(work.drafts)
        case LogitsWanted.LAST:
            return 1
        case LogitsWanted.NONE:
            return 0


def _spans(works: Sequence[Work]) -> list[slice]:
    """Which rows of the step's logits are whose."""
    spans: list[slice] = []
    start = 0
    for work in works:
        count = _num_logits(work)
        spans.append(slice(start, start + count))
        start += count
    return spans


def _rows_that_draw(works: Sequence[Work], spans: Sequence[slice], logits: Tensor) -> Tensor:
    """The last rows of each work that draws, [draws, vocab]; all, uncopied, where no others are wanted."""
    rows = [
        row
        for work, span in zip(works, spans, strict=True)
        for row in range(span.stop - _num_draws(work), span.stop)
    ]
    return logits if len(rows) == len(logits) else logits[rows]
