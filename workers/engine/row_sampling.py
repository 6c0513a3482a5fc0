"""Samples the rows of a step, some under masks; a row that cannot be sampled does not take others with it."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from model.sampling.sampled_tokens import PositionLogprobs
from model.sampling.sampler import Sampler, SamplerRow
from protos.errors import BrokenLogitsError, ExpertMeshError, NoTokenLeftError
from workers.engine.row_masks import AllowedTokens


class SampledRow(NamedTuple):
    """A token, or why there is none."""

    token_id: int | None
    logprobs: PositionLogprobs | None = None
    error: ExpertMeshError | None = None


def sample_rows(
    sampler: Sampler, logits: Tensor, rows: Sequence[SamplerRow], allowed: AllowedTokens
) -> list[SampledRow]:
    """One for each of `rows`, of logits [rows, vocab]."""
    ruled = list(allowed.rows)
    if not ruled:
        return _sample(sampler, logits, rows, None)
    free = sorted(set(range(len(rows))) - set(ruled))
    found: dict[int, SampledRow] = {}
    for indices, masks in ((free, None), (ruled, allowed.masks)):
        if indices:
            sampled = _sample(sampler, logits[indices], [rows[index] for index in indices], masks)
            found.update(zip(indices, sampled, strict=True))
    found |= {row: SampledRow(None, error=error) for row, error in allowed.failures.items()}
    return [found[index] for index in range(len(rows))]


def _sample(
    sampler: Sampler, logits: Tensor, rows: Sequence[SamplerRow], allowed: Tensor | None
) -> list[SampledRow]:
    """Again without the rows at fault, until none is left."""
    if not rows:
        return []
    try:
        sampled = sampler.sample(logits, rows, allowed)
    except (BrokenLogitsError, NoTokenLeftError) as error:
        at_fault = set(error.rows)
        sound = [index for index in range(len(rows)) if index not in at_fault]
        rest = _sample(
            sampler,
            logits[sound],
            [rows[index] for index in sound],
            None if allowed is None else allowed[sound],
        )
        found = dict(zip(sound, rest, strict=True))
        failed = SampledRow(None, error=type(error)((0,)))
        return [found.get(index, failed) for index in range(len(rows))]
    return [SampledRow(*pair) for pair in zip(sampled.token_ids, sampled.logprobs, strict=True)]
