"""The sampler: the next token of every row of a step, and the log-probabilities of outputs and prompts.

Not here: what each step of sampling means (`kernels.sample`), what a request may ask (`SamplingParameters`),
stop conditions. The engine calls this once a step with the logits of the rows that want a token.

A row's result depends on its own logits and `SamplerRow` alone, bit for bit, never on its neighbours: a
sequence goes on with the same tokens in another batch or, resumed, on another worker with the same kind of
processor (the last bit of exp is the processor's). Log-probabilities are of the model's own distribution:
softmax of the logits before mask, penalties, bias, temperature and filters.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kernels import sample
from kernels.choose import Draws, choose
from kernels.device import takes_gpu_kernels
from kernels.logprobs import likeliest, log_probabilities
from kernels.philox import uniform
from model.sampling.parameters import SamplingParameters
from model.sampling.sampled_tokens import PositionLogprobs, SampledTokens, TokenLogprob
from model.sampling.token_counts import TokenCounts
from protos.errors import BrokenLogitsError, NoTokenLeftError

_ROWS_PER_BLOCK = 8
"""Rows in work at a time. An integer weight takes 8 bytes, so a step's temporaries stay near 60 MB."""

_ROWS_PER_BLOCK_ON_GPU = 256
"""There every block waits for the GPU once, and most rows need no temporaries."""


class SamplerRow(NamedTuple):
    """What one row of a step needs; penalties need counts.

    `position` is the new token's own, counted from 0 over prompt and output: with the seed it fixes the draw.
    Several choices of one request differ in `choice` alone.
    """

    parameters: SamplingParameters
    position: int
    counts: TokenCounts | None = None
    choice: int = 0

    @property
    def token_counts(self) -> TokenCounts:
        assert self.counts is not None, "penalties need token counts"
        return self.counts

    @property
    def seed(self) -> int:
        assert self.parameters.seed is not None, "admission gives every request that draws a seed"
        return self.parameters.seed


@dataclass(frozen=True, slots=True)
class Sampler:
    """Keeps nothing between calls: one that raised may be repeated without the rows at fault."""

    vocab_size: int

    def sample(
        self, logits: Tensor, rows: Sequence[SamplerRow], allowed: Tensor | None = None
    ) -> SampledTokens:
        """`logits` [rows, vocab] of any float type; `allowed` [rows, vocab] bool (a grammar's mask)."""
        assert logits.shape == (len(rows), self.vocab_size)
        for row in rows:
            row.parameters.check_vocabulary(self.vocab_size)
        _refuse_broken(logits)
        if allowed is not None:
            _refuse_empty(logits, allowed)
        token_ids: list[int] = []
        logprobs: list[PositionLogprobs | None] = []
        for block in _blocks(logits):
            block_logits, block_rows = logits[block].float(), rows[block]  # [block, vocab]
            scores = block_logits if allowed is None else sample.exclude(block_logits, allowed[block])
            scores = _biased(_penalised(scores, block_rows), block_rows)  # [block, vocab]
            chosen = _choose(scores, block_rows)  # [block]
            token_ids += chosen.tolist()
            logprobs += _logprobs_where_asked(block_logits, chosen, block_rows)
        return SampledTokens(tuple(token_ids), tuple(logprobs))

    def prompt_logprobs(
        self, logits: Tensor, token_ids: Sequence[int], top_n: int
    ) -> tuple[PositionLogprobs, ...]:
        """What each row of `logits` [positions, vocab] gives the token of `token_ids` beside it.

        Logits foretell the next token: the caller pairs those after prompt tokens 0 … n − 2 with tokens
        1 … n − 1. The first token of a prompt has no log-probability.
        """
        assert logits.shape == (len(token_ids), self.vocab_size)
        _refuse_broken(logits)
        entries: list[PositionLogprobs] = []
        for block in _blocks(logits):
            entries += _logprobs(logits[block].float(), _integers(token_ids[block], logits), top_n)
        return tuple(entries)


def _blocks(logits: Tensor) -> Iterator[slice]:
    size = _ROWS_PER_BLOCK_ON_GPU if takes_gpu_kernels(logits) else _ROWS_PER_BLOCK
    return (slice(start, start + size) for start in range(0, len(logits), size))


def _refuse_broken(logits: Tensor) -> None:
    broken = ~logits.amax(dim=1).isfinite()  # [rows]; a NaN is always the maximum
    if bool(broken.any()):
        raise BrokenLogitsError(tuple(broken.nonzero().flatten().tolist()))


def _refuse_empty(logits: Tensor, allowed: Tensor) -> None:
    assert allowed.shape == logits.shape
    empty = ~(allowed & (logits > -torch.inf)).any(dim=1)  # [rows]
    if bool(empty.any()):
        raise NoTokenLeftError(tuple(empty.nonzero().flatten().tolist()))


def _penalised(scores: Tensor, rows: Sequence[SamplerRow]) -> Tensor:
    """[rows, vocab], the same tensor when no row has penalties."""
    counted = {index: row.token_counts for index, row in enumerate(rows) if row.parameters.has_penalties}
    if not counted:
        return scores
    lengths = [len(each.token_ids) for each in counted.values()]
    row_ids = _integers(list(counted), scores).repeat_interleave(_integers(lengths, scores))  # [cells]
    cells = sample.Cells(row_ids, torch.cat([each.token_ids for each in counted.values()]))
    output_counts = torch.cat([each.output_counts for each in counted.values()])  # [cells]
    penalties = sample.Penalties(
        repetition=_column(rows, lambda parameters: parameters.repetition_penalty, scores),
        presence=_column(rows, lambda parameters: parameters.presence_penalty, scores),
        frequency=_column(rows, lambda parameters: parameters.frequency_penalty, scores),
    )
    return sample.penalise(scores, cells, output_counts, penalties)


def _biased(scores: Tensor, rows: Sequence[SamplerRow]) -> Tensor:
    """[rows, vocab], the same tensor when no row has biases."""
    biases = [
        (index, token_id, bias)
        for index, row in enumerate(rows)
        for token_id, bias in row.parameters.logit_bias.items()
    ]
    if not biases:
        return scores
    row_ids, token_ids, values = zip(*biases, strict=True)
    cells = sample.Cells(_integers(row_ids, scores), _integers(token_ids, scores))
    return sample.add_bias(scores, cells, _reals(values, scores))


def _choose(scores: Tensor, rows: Sequence[SamplerRow]) -> Tensor:
    """[rows] token ids."""
    if takes_gpu_kernels(scores):
        return choose(scores, _draws(scores, rows))
    token_ids = sample.greatest(scores)  # [rows]
    drawing = [index for index, row in enumerate(rows) if not row.parameters.is_greedy]
    if drawing:
        token_ids[drawing] = _draw(scores[drawing], [rows[index] for index in drawing])
    return token_ids


def _draws(scores: Tensor, rows: Sequence[SamplerRow]) -> Draws:
    """What a GPU is told; filters that a row has not are left out by their values."""
    vocab_size = scores.shape[1]
    return Draws(
        temperature=_column(rows, lambda each: each.temperature, scores),
        top_k=_integers([min(row.parameters.top_k or vocab_size, vocab_size) for row in rows], scores),
        top_p=_column(rows, lambda each: each.top_p, scores),
        min_p=_column(rows, lambda each: each.min_p, scores),
        seeds=_integers([0 if row.parameters.is_greedy else row.seed for row in rows], scores),
        positions=_integers([row.position for row in rows], scores),
        choices=_integers([row.choice for row in rows], scores),
    )


def _draw(scores: Tensor, rows: Sequence[SamplerRow]) -> Tensor:
    """[rows] token ids, for rows of temperature above 0. Each filter sees only the rows that have it."""
    scaled = sample.scale(scores, _column(rows, lambda parameters: parameters.temperature, scores))
    weights = sample.weigh(scaled)  # [rows, vocab]
    ranked = [index for index, row in enumerate(rows) if row.parameters.has_top_filter]
    if ranked:
        weights[ranked] = _keep_top(scaled[ranked], weights[ranked], [rows[index] for index in ranked])
    floored = [index for index, row in enumerate(rows) if row.parameters.min_p > 0]
    if floored:
        min_p = _column([rows[index] for index in floored], lambda parameters: parameters.min_p, scores)
        weights[floored] = sample.keep_min_p(weights[floored], min_p)
    seeds = _integers([row.seed for row in rows], scores)
    positions = _integers([row.position for row in rows], scores)
    choices = _integers([row.choice for row in rows], scores)
    return sample.draw(weights, uniform(seeds, positions, choices=choices))


def _keep_top(scaled: Tensor, weights: Tensor, rows: Sequence[SamplerRow]) -> Tensor:
    """[rows, vocab] weights, for rows with top-k or top-p."""
    vocab_size = scaled.shape[1]
    top_k = [min(row.parameters.top_k or vocab_size, vocab_size) for row in rows]
    top_p = _column(rows, lambda parameters: parameters.top_p, scaled)
    return sample.keep_top(scaled, weights, _integers(top_k, scaled), top_p)


def _logprobs_where_asked(
    logits: Tensor, chosen: Tensor, rows: Sequence[SamplerRow]
) -> list[PositionLogprobs | None]:
    asking = {
        index: row.parameters.logprobs
        for index, row in enumerate(rows)
        if row.parameters.logprobs is not None
    }
    found: list[PositionLogprobs | None] = [None] * len(rows)
    if asking:
        indices = list(asking)
        entries = _logprobs(logits[indices], chosen[indices], max(asking.values()))
        for (index, top_n), entry in zip(asking.items(), entries, strict=True):
            found[index] = PositionLogprobs(entry.chosen, entry.top[:top_n])
    return found


def _logprobs(logits: Tensor, chosen: Tensor, top_n: int) -> list[PositionLogprobs]:
    top = likeliest(logits, min(top_n, logits.shape[1]))  # [rows, top]
    token_ids = torch.cat([chosen[:, None], top], dim=1)  # [rows, 1 + top]
    logprobs = log_probabilities(logits, token_ids)  # [rows, 1 + top]
    pairs = zip(token_ids.tolist(), logprobs.tolist(), strict=True)
    rows = [tuple(map(TokenLogprob, ids, values)) for ids, values in pairs]
    return [PositionLogprobs(first, tuple(rest)) for first, *rest in rows]


def _column(
    rows: Sequence[SamplerRow], parameter: Callable[[SamplingParameters], float], like: Tensor
) -> Tensor:
    """[rows] float64: one parameter of each row, where `like` is."""
    return _reals([parameter(row.parameters) for row in rows], like)


def _reals(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)


def _integers(values: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.int64, device=like.device)
