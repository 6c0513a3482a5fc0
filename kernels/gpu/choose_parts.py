"""How `kernels.gpu.choose` looks at a row: ranks and weights of a block, what lies above a bound, the bound
itself.

A rank is a score's bits as an integer that grows with the score; equal scores have equal ranks, and of these
the lower token id comes first. A bound is the least rank of which something is kept.
"""

import triton
import triton.language as tl


@triton.jit
def weigh(
    scores_ptr: tl.tensor,
    first: tl.tensor,
    greatest: tl.tensor,
    divisor: tl.tensor,
    VOCAB: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """Weights and ranks of a block, each [BLOCK] int64; behind the vocabulary 0, and a rank below all."""
    token = first + tl.arange(0, BLOCK)
    is_there = token < VOCAB
    scores = tl.load(scores_ptr + token, mask=is_there, other=float("-inf"))
    scaled = tl.div_rn(scores - greatest, divisor) + 0.0  # one zero of the two
    weights = (tl.exp(scaled) * 17592186044416.0).to(tl.int64)  # 2⁴⁴
    bits = scaled.to(tl.int32, bitcast=True)
    ranks = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).to(tl.int64)
    return tl.where(is_there, weights, 0), tl.where(is_there, ranks, -(2**33))


@triton.jit
def above(
    scores_ptr: tl.tensor,
    greatest: tl.tensor,
    divisor: tl.tensor,
    bound: tl.tensor,
    VOCAB: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """How many tokens have ranks above the bound, and what they weigh."""
    count = tl.zeros((), dtype=tl.int64)
    weight = tl.zeros((), dtype=tl.int64)
    for first in range(0, VOCAB, BLOCK):
        weights, ranks = weigh(scores_ptr, first, greatest, divisor, VOCAB, BLOCK)
        count += tl.sum((ranks > bound).to(tl.int64))
        weight += tl.sum(tl.where(ranks > bound, weights, 0))
    return count, weight


@triton.jit
def bound_of_count(
    scores_ptr: tl.tensor,
    greatest: tl.tensor,
    divisor: tl.tensor,
    most: tl.tensor,
    VOCAB: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tl.tensor:
    """The least bound that has fewer than `most` tokens above it."""
    low = tl.full((), -(2**31), dtype=tl.int64)
    high = tl.full((), 2**31 - 1, dtype=tl.int64)
    for _ in range(32):
        middle = (low + high) >> 1
        count, _ = above(scores_ptr, greatest, divisor, middle, VOCAB, BLOCK)
        is_enough = count < most
        high = tl.where(is_enough, middle, high)
        low = tl.where(is_enough, low, middle + 1)
    return high


@triton.jit
def bound_of_weight(
    scores_ptr: tl.tensor,
    greatest: tl.tensor,
    divisor: tl.tensor,
    limit: tl.tensor,
    lowest: tl.tensor,
    VOCAB: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tl.tensor:
    """The least bound, from `lowest` on, that has less than `limit` of weight above it."""
    low = tl.maximum(lowest, -(2**31))
    high = tl.full((), 2**31 - 1, dtype=tl.int64)
    for _ in range(32):
        middle = (low + high) >> 1
        _, weight = above(scores_ptr, greatest, divisor, middle, VOCAB, BLOCK)
        is_enough = weight < limit
        high = tl.where(is_enough, middle, high)
        low = tl.where(is_enough, low, tl.minimum(middle + 1, high))
    return high


@triton.jit
def last_tied(
    scores_ptr: tl.tensor,
    greatest: tl.tensor,
    divisor: tl.tensor,
    bound: tl.tensor,
    num_kept: tl.tensor,
    VOCAB: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tl.tensor:
    """The id of the last token that is kept of those at the bound, num_kept in number."""
    last = tl.full((), -1, dtype=tl.int32)
    seen = tl.zeros((), dtype=tl.int64)
    for first in range(0, VOCAB, BLOCK):
        _, ranks = weigh(scores_ptr, first, greatest, divisor, VOCAB, BLOCK)
        is_tied = (ranks == bound).to(tl.int64)
        order = seen + tl.cumsum(is_tied)
        token = first + tl.arange(0, BLOCK)
        last = tl.maximum(last, tl.max(tl.where((is_tied != 0) & (order <= num_kept), token, -1)))
        seen += tl.sum(is_tied)
    return last
