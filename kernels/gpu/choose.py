"""One token for each row of logits on a GPU: temperature, top-k, top-p, min-p and the draw, in one launch.

                                                       what each step means: kernels/sample.py,
                                                       kernels/philox.py
    scores [rows, vocab] float32, penalties and masks in them          token_ids [rows] int64
    of each row: temperature, top_p, min_p [rows] float64; top_k, seeds, positions, choices [rows] int64

A program takes a row and goes over it as often as its filters ask. Weights are integers, so sums have no
order. What a filter keeps are the tokens above a bound, and of those at it the first few: the bound is
searched for bit by bit, 32 times over the row, which stays in the second-level cache. Only a row that has the
filter does it.

Must read a row 3 times, and 33 times more for each of top-k and top-p.
"""

import triton
import triton.language as tl
from torch import Tensor

from kernels.choose import Draws
from kernels.gpu.choose_parts import above, bound_of_count, bound_of_weight, last_tied, weigh
from kernels.gpu.configs import CHOOSE_BLOCK, CHOOSE_WARPS
from kernels.gpu.launch import Launch
from kernels.philox import Stream


@triton.jit
def choose_body(
    scores_ptr: tl.tensor,
    temperature_ptr: tl.tensor,
    top_k_ptr: tl.tensor,
    top_p_ptr: tl.tensor,
    min_p_ptr: tl.tensor,
    seeds_ptr: tl.tensor,
    positions_ptr: tl.tensor,
    choices_ptr: tl.tensor,
    token_ids_ptr: tl.tensor,
    VOCAB: tl.constexpr,
    BLOCK: tl.constexpr,
    STREAM: tl.constexpr,
) -> None:
    row = tl.program_id(0)
    scores_ptr += row.to(tl.int64) * VOCAB
    each = tl.arange(0, BLOCK)
    greatest = float("-inf")
    for first in range(0, VOCAB, BLOCK):
        scores = tl.load(scores_ptr + first + each, mask=first + each < VOCAB, other=float("-inf"))
        greatest = tl.maximum(greatest, tl.max(scores))
    found = VOCAB
    temperature = tl.load(temperature_ptr + row)
    if temperature == 0:
        for first in range(0, VOCAB, BLOCK):
            is_there = first + each < VOCAB
            scores = tl.load(scores_ptr + first + each, mask=is_there, other=float("-inf"))
            winners = tl.where(is_there & (scores == greatest), first + each, VOCAB)
            found = tl.minimum(found, tl.min(winners))
    else:
        divisor = tl.minimum(tl.maximum(temperature, 1.1754943508222875e-38), 3.4028234663852886e38)
        divisor = divisor.to(tl.float32)
        top_k = tl.load(top_k_ptr + row)
        bound = tl.full((), -(2**31) - 1, dtype=tl.int64)
        last = VOCAB
        if top_k < VOCAB:
            bound = bound_of_count(scores_ptr, greatest, divisor, top_k, VOCAB, BLOCK)
            count, _ = above(scores_ptr, greatest, divisor, bound, VOCAB, BLOCK)
            last = last_tied(scores_ptr, greatest, divisor, bound, top_k - count, VOCAB, BLOCK)

        top_p = tl.load(top_p_ptr + row)
        if top_p < 1:
            total = tl.zeros((), dtype=tl.int64)
            for first in range(0, VOCAB, BLOCK):
                weights, ranks = weigh(scores_ptr, first, greatest, divisor, VOCAB, BLOCK)
                is_kept = (ranks > bound) | ((ranks == bound) & (first + each <= last))
                total += tl.sum(tl.where(is_kept, weights, 0))
            limit = tl.ceil(top_p * total.to(tl.float64)).to(tl.int64)
            higher = bound_of_weight(scores_ptr, greatest, divisor, limit, bound, VOCAB, BLOCK)
            _, weight = above(scores_ptr, greatest, divisor, higher, VOCAB, BLOCK)
            tied = tl.zeros((), dtype=tl.int64)  # the weight of a token at the bound
            for first in range(0, VOCAB, BLOCK):
                weights, ranks = weigh(scores_ptr, first, greatest, divisor, VOCAB, BLOCK)
                tied = tl.maximum(tied, tl.max(tl.where(ranks == higher, weights, 0)))
            num_tied = tl.where(tied > 0, (limit - weight + tied - 1) // tl.maximum(tied, 1), VOCAB)
            its_last = last_tied(scores_ptr, greatest, divisor, higher, num_tied, VOCAB, BLOCK)
            last = tl.where(higher == bound, tl.minimum(last, its_last), its_last)
            bound = higher

        floor = tl.load(min_p_ptr + row) * 17592186044416.0  # 2⁴⁴, the weight of the likeliest
        total = tl.zeros((), dtype=tl.int64)
        for first in range(0, VOCAB, BLOCK):
            weights, ranks = weigh(scores_ptr, first, greatest, divisor, VOCAB, BLOCK)
            is_kept = (ranks > bound) | ((ranks == bound) & (first + each <= last))
            total += tl.sum(tl.where(is_kept & (weights.to(tl.float64) >= floor), weights, 0))
        target = (_uniform(seeds_ptr, positions_ptr, choices_ptr, row, STREAM) * total.to(tl.float64)).to(
            tl.int64
        )
        reached = tl.zeros((), dtype=tl.int64)
        for first in range(0, VOCAB, BLOCK):
            weights, ranks = weigh(scores_ptr, first, greatest, divisor, VOCAB, BLOCK)
            is_kept = (ranks > bound) | ((ranks == bound) & (first + each <= last))
            weights = tl.where(is_kept & (weights.to(tl.float64) >= floor), weights, 0)
            beyond = reached + tl.cumsum(weights) > target
            found = tl.minimum(found, tl.min(tl.where(beyond, first + each, VOCAB)))
            reached += tl.sum(weights)
    tl.store(token_ids_ptr + row, found.to(tl.int64))


@triton.jit
def _uniform(
    seeds_ptr: tl.tensor,
    positions_ptr: tl.tensor,
    choices_ptr: tl.tensor,
    row: tl.tensor,
    STREAM: tl.constexpr,
) -> tl.tensor:
    """kernels/philox.py says what is counted where."""
    position = tl.load(positions_ptr + row)
    low = position.to(tl.uint32)
    high = (position >> 32).to(tl.uint32)
    purpose = tl.full((), STREAM, dtype=tl.uint32)
    choice = tl.load(choices_ptr + row).to(tl.uint32)
    upper, lower, _, _ = tl.philox(tl.load(seeds_ptr + row), low, high, purpose, choice, 10)
    bits = ((upper >> 5).to(tl.int64) << 26) | (lower >> 6).to(tl.int64)
    return bits.to(tl.float64) * 1.1102230246251565e-16  # 2⁻⁵³


def choose_launch(scores: Tensor, draws: Draws, token_ids: Tensor) -> Launch:
    assert scores.is_contiguous()
    return Launch(
        choose_body,
        (len(scores),),
        {
            "scores_ptr": scores,
            "temperature_ptr": draws.temperature,
            "top_k_ptr": draws.top_k,
            "top_p_ptr": draws.top_p,
            "min_p_ptr": draws.min_p,
            "seeds_ptr": draws.seeds,
            "positions_ptr": draws.positions,
            "choices_ptr": draws.choices,
            "token_ids_ptr": token_ids,
        },
        {"VOCAB": scores.shape[1], "BLOCK": CHOOSE_BLOCK, "STREAM": int(Stream.TOKEN)},
        CHOOSE_WARPS,
    )


def choose(scores: Tensor, draws: Draws) -> Tensor:
    """Called by `kernels.choose.choose`."""
    token_ids = draws.positions.new_empty(len(scores))
    choose_launch(scores, draws, token_ids).run()
    return token_ids
