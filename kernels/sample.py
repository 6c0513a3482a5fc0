"""One token for each row of [rows, vocab] logits: penalties, bias, temperature, filters, draw.

Not here: requests (`model.sampling`, the caller, turns them into tensors and passes each function only the
rows that it concerns), chance (`kernels.philox`) and reported log-probabilities (`kernels.logprobs`).

The order, and what each step means for one row:

1. `exclude`     what the mask does not allow has score −inf, and nothing below brings it back
2. `penalise`    in prompt or output: score > 0 ? score / repetition : score * repetition (CTRL, Keskar et al.
                 2019); then − presence, if in the output at all, − frequency * its count there (OpenAI)
3. `add_bias`    score + bias
4. `scale`       (score − greatest score) / temperature; for temperature 0 the caller takes `greatest` instead
5. `weigh`       exp of that
6. `keep_top`    top-k: the k greatest; top-p: of these, the fewest, greatest first, whose share is >= p
7. `keep_min_p`  what has at least min_p times the greatest weight
8. `draw`        inverse distribution function over what is left, in the order of the vocabulary

Of equal scores the lowest token id comes first, everywhere.

Weights are integers (fixed point): their sums do not depend on the order of addition, hence not on threads,
devices or the other rows, while a float prefix sum on a GPU has no fixed order (and takes ten times as long
on a CPU). The rest is element-wise, and of the operations that round (−, *, /, exp) none may depend on an
element's place in its tensor. torch.exp2 and sigmoid do on a CPU: do not use them here, nor `add(alpha=)`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

GREATEST_WEIGHT = 1 << 44
"""The weight of the likeliest token. 2⁴⁴ times a vocabulary of up to 2¹⁸ fits in int64."""

_MAX_VOCAB = 1 << 18
_SPAN = 256
_FLOAT = torch.finfo(torch.float32)
_FIRST_CANDIDATES = 1024
_CANDIDATE_GROWTH = 16
_ID_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Cells:
    """Some places of a [rows, vocab] tensor, each named once."""

    rows: Tensor  # [cells] int64
    token_ids: Tensor  # [cells] int64


@dataclass(frozen=True, slots=True)
class Penalties:
    """One of each for every row; 1, 0 and 0 leave it untouched."""

    repetition: Tensor  # [rows] float64
    presence: Tensor  # [rows] float64
    frequency: Tensor  # [rows] float64


def exclude(scores: Tensor, allowed: Tensor) -> Tensor:
    """`allowed` is [rows, vocab] bool. The caller sees to it that every row has a score above −inf left."""
    return scores.masked_fill(~allowed, -torch.inf)


def penalise(scores: Tensor, cells: Cells, output_counts: Tensor, penalties: Penalties) -> Tensor:
    """`cells` are the tokens of prompt and output; `output_counts` [cells], 0 for one of the prompt alone."""
    counts = output_counts.float()  # [cells]
    repetition = _divisors(penalties.repetition)[cells.rows]  # [cells]
    values = scores[cells.rows, cells.token_ids]  # [cells]
    values = torch.where(values > 0, values / repetition, values * repetition)
    values = values - penalties.presence.float()[cells.rows] * (counts > 0)
    values = values - penalties.frequency.float()[cells.rows] * counts
    return _replace(scores, cells, values.clamp(min=_FLOAT.min))


def add_bias(scores: Tensor, cells: Cells, bias: Tensor) -> Tensor:
    """`bias` is [cells]; −inf forbids the token, tokens with +inf share the row among themselves."""
    return _replace(scores, cells, scores[cells.rows, cells.token_ids] + bias.float())


def greatest(scores: Tensor) -> Tensor:
    """[rows] int64: the token with the greatest score; of equals the first.

    On a CPU torch finds maxima eight times as fast as their places: so first the span, then the place in it.
    """
    num_rows, vocab_size = scores.shape
    num_whole = vocab_size // _SPAN * _SPAN
    if num_whole == 0:
        return scores.argmax(dim=1)
    spans = scores[:, :num_whole].view(num_rows, vocab_size // _SPAN, _SPAN)
    maxima = spans.amax(dim=2)  # [rows, spans]
    if num_whole < vocab_size:
        maxima = torch.cat([maxima, scores[:, num_whole:].amax(dim=1, keepdim=True)], dim=1)
    # The last span is shorter: what is read before it is less than the greatest, or its span was chosen.
    starts = (maxima.argmax(dim=1) * _SPAN).clamp(max=vocab_size - _SPAN)  # [rows]
    places = starts[:, None] + torch.arange(_SPAN, device=scores.device)  # [rows, _SPAN]
    found: Tensor = starts + scores.gather(1, places).argmax(dim=1)
    return found


def scale(scores: Tensor, temperature: Tensor) -> Tensor:
    """[rows, vocab], 0 for the greatest of each row. Subtracting first leaves nothing that could overflow."""
    return (scores - scores.amax(dim=1, keepdim=True)) / _divisors(temperature)[:, None]


def weigh(scaled: Tensor) -> Tensor:
    """[rows, vocab] int64: exp(scaled), 2⁴⁴ for the greatest; what is below 2⁻⁴⁴ of that weighs nothing."""
    assert scaled.shape[1] <= _MAX_VOCAB, "the weights of a larger vocabulary may overflow"
    return (scaled.exp() * GREATEST_WEIGHT).to(torch.int64)


def keep_top(scaled: Tensor, weights: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """`weights` with 0 for what top-k or top-p drops; [rows] int64 and float64, vocab and 1.0 to keep all."""
    keys = rank_keys(scaled)  # [rows, vocab]
    least = _least_kept(keys, weights, top_k, top_p, _FIRST_CANDIDATES)  # [rows]
    return torch.where(keys >= least[:, None], weights, 0)


def keep_min_p(weights: Tensor, min_p: Tensor) -> Tensor:
    """`min_p` is [rows] float64. No filter drops the greatest weight, so this one needs no ranking."""
    floors = min_p * GREATEST_WEIGHT  # [rows]
    return torch.where(weights >= floors[:, None], weights, 0)


def draw(weights: Tensor, uniforms: Tensor) -> Tensor:
    """[rows] token ids; `uniforms` are [rows] float64 in [0, 1). What weighs nothing is never drawn."""
    cumulative = weights.cumsum(dim=1)  # [rows, vocab]
    totals = cumulative[:, -1]  # [rows]
    # Rounding never lifts a target to its total, since no uniform is above 1 − 2⁻⁵³.
    targets = (uniforms * totals).to(torch.int64)  # [rows]
    return torch.searchsorted(cumulative, targets[:, None], right=True).squeeze(1)


def rank_keys(scores: Tensor) -> Tensor:
    """[rows, vocab] int64, all different in a row: greater for a greater score, then for a lower token id."""
    bits = (scores + 0.0).view(torch.int32)  # [rows, vocab]; + 0.0 makes one zero of the two
    ascending = bits ^ ((bits >> 31) & 0x7FFF_FFFF)  # negative floats count backwards
    token_ids = torch.arange(scores.shape[1], device=scores.device)  # [vocab]
    return (ascending.to(torch.int64) << 32) + (_ID_MASK - token_ids)


def token_ids_of(keys: Tensor) -> Tensor:
    """The token ids in `rank_keys`, in the same shape."""
    return _ID_MASK - (keys & _ID_MASK)


def _least_kept(keys: Tensor, weights: Tensor, top_k: Tensor, top_p: Tensor, num_candidates: int) -> Tensor:
    """[rows]: the key of the last token that each row keeps.

    Sorts the best candidates only; the rows that these do not settle try again with more. All sums are
    integers, so the number of candidates does not show in the result.
    """
    vocab = keys.shape[1]
    num_candidates = min(num_candidates, vocab)
    candidates = keys.topk(num_candidates, dim=1).values  # [rows, candidates], greatest first
    in_top_k = torch.arange(num_candidates, device=keys.device) < top_k[:, None]  # [rows, candidates]
    shares = weights.gather(1, token_ids_of(candidates)) * in_top_k  # [rows, candidates]
    reached = shares.cumsum(dim=1)  # [rows, candidates]
    all_seen = top_k <= num_candidates  # [rows]
    totals = torch.where(all_seen, reached[:, -1], weights.sum(dim=1))  # [rows]
    limits = top_p * totals  # [rows]
    kept = in_top_k & ((reached - shares) < limits[:, None])  # [rows, candidates]
    least = candidates.gather(1, kept.sum(dim=1, keepdim=True) - 1).squeeze(1)  # [rows]
    open_rows = ~(all_seen | ((top_k >= vocab) & (reached[:, -1] >= limits)))  # [rows]
    if num_candidates < vocab and bool(open_rows.any()):
        rest = (keys[open_rows], weights[open_rows], top_k[open_rows], top_p[open_rows])
        least[open_rows] = _least_kept(*rest, num_candidates * _CANDIDATE_GROWTH)
    return least


def _replace(scores: Tensor, cells: Cells, values: Tensor) -> Tensor:
    """`scores` with `values` [cells], kept below +inf; what was excluded stays so."""
    old = scores[cells.rows, cells.token_ids]  # [cells]
    values = torch.where(old == -torch.inf, old, values.clamp(max=_FLOAT.max))
    return scores.index_put((cells.rows, cells.token_ids), values)


def _divisors(parameters: Tensor) -> Tensor:
    """float64 parameters above 0 as float32 that are neither 0 nor inf, so that no quotient is NaN."""
    return parameters.clamp(min=_FLOAT.tiny, max=_FLOAT.max).float()
