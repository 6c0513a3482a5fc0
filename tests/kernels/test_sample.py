"""Each step against its definition in plain Python, the chain against transformers, draws by chi-square."""

import math
from bisect import bisect_right
from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kernels.sample import (
    GREATEST_WEIGHT,
    Cells,
    Penalties,
    add_bias,
    draw,
    exclude,
    greatest,
    keep_min_p,
    keep_top,
    penalise,
    rank_keys,
    scale,
    token_ids_of,
    weigh,
)

INF = math.inf
GREATEST_FLOAT = torch.finfo(torch.float32).max

# Halves make ties likely, and every sum and product of the penalty tests exact in float32.
HALVES = st.integers(-12, 12).map(lambda number: number / 2)
SCORES = st.one_of(HALVES, HALVES, st.sampled_from([-INF, -1e30, 3e38, -0.0, 1e-45]))
ROW = st.lists(SCORES, min_size=1, max_size=41).filter(lambda row: max(row) > -INF)
WEIGHTS = st.lists(st.one_of(st.just(0), st.integers(1, GREATEST_WEIGHT)), min_size=1, max_size=41).filter(
    any
)


def row_of(values: list[float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float32)  # [1, vocab]


@pytest.mark.parametrize("vocab_size", [1, 211, 256, 257, 300, 511, 512, 1000, 201_088])
def test_greatest_is_the_argmax_and_of_equals_the_first(vocab_size: int) -> None:
    """Few values, so that the greatest stands in many spans, in the last one too."""
    for scores in (torch.randint(-4, 5, (13, vocab_size)).float(), torch.randn(13, vocab_size)):
        scores[3] = -INF
        scores[3, -1] = -7.0
        scores[4] = -INF
        scores[5, vocab_size // 2] = INF
        expected = [row.tolist().index(max(row.tolist())) for row in scores]
        assert greatest(scores).tolist() == expected
        assert greatest(scores[::2]).tolist() == expected[::2]


def test_greatest_of_no_rows() -> None:
    assert greatest(torch.zeros(0, 600)).tolist() == []


def reals(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def integers(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def kept_of(weights: Tensor) -> list[int]:
    """The tokens of the only row that a filter left some weight."""
    return weights[0].nonzero().flatten().tolist()


def naive_top(
    scaled: list[float], weights: list[int], top_k: int | None = None, top_p: float = 1.0
) -> list[int]:
    """The tokens with some weight that top-k and then top-p keep, as kernels/sample.py defines them."""
    ranked = sorted(range(len(scaled)), key=lambda token: (-scaled[token], token))[:top_k]
    limit = top_p * sum(weights[token] for token in ranked)
    shares_before = accumulate((weights[token] for token in ranked), initial=0)
    kept = [token for token, before in zip(ranked, shares_before, strict=False) if before < limit]
    return sorted(token for token in kept if weights[token] > 0)


@settings(deadline=None)
@given(ROW)
def test_rank_is_by_score_and_then_by_lowest_id(row: list[float]) -> None:
    ranked = token_ids_of(rank_keys(row_of(row)).sort(descending=True).values)
    exact = row_of(row)[0].tolist()  # 1e-45 is another number in float32
    assert ranked.tolist() == [sorted(range(len(row)), key=lambda token: (-exact[token], token))]


def test_excluded_tokens_stay_out_whatever_their_bias_and_penalty() -> None:
    scores = exclude(row_of([4.0, 3.0, 2.0]), torch.tensor([[False, True, False]]))
    cells = Cells(integers(0, 0, 0), integers(0, 1, 2))
    penalised = penalise(scores, cells, integers(0, 1, 2), Penalties(reals(0.5), reals(-2.0), reals(-2.0)))
    biased = add_bias(penalised, cells, reals(INF, -1.5, 100.0))
    assert biased.tolist() == [[-INF, 8.5, -INF]]


@settings(deadline=None)
@given(
    ROW,
    st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]),
    st.sampled_from([-2.0, -0.5, 0.0, 1.5, 2.0]),
    st.sampled_from([-2.0, -0.25, 0.0, 0.5, 2.0]),
    st.data(),
)
def test_penalties(
    row: list[float], repetition: float, presence: float, frequency: float, data: st.DataObject
) -> None:
    row = [score for score in row if score not in (1e-45, 3e38)] or [0.0]  # exact ones
    counts = data.draw(st.dictionaries(st.integers(0, len(row) - 1), st.integers(0, 5)))
    expected = list(row)
    for token, count in counts.items():
        score = row[token] / repetition if row[token] > 0 else row[token] * repetition
        expected[token] = score - presence * (count > 0) - frequency * count
    scores = torch.cat([row_of([7.0] * len(row)), row_of(row)])  # [2, vocab]
    cells = Cells(torch.full((len(counts),), 1), integers(*counts))
    penalties = Penalties(reals(9.0, repetition), reals(9.0, presence), reals(9.0, frequency))
    penalised = penalise(scores, cells, integers(*counts.values()), penalties)
    assert penalised.tolist() == [[7.0] * len(row), row_of(expected)[0].tolist()]


@pytest.mark.parametrize("repetition", [5e-324, 1e-46, 1e38, 1e308])
def test_no_penalty_however_extreme_forbids_a_token_or_makes_nan(repetition: float) -> None:
    scores = row_of([10.0, 0.0, -10.0, -INF])
    cells = Cells(integers(0, 0, 0, 0), integers(0, 1, 2, 3))
    neutral = reals(0.0)
    first, second, third, fourth = penalise(
        scores, cells, integers(0, 0, 0, 0), Penalties(reals(repetition), neutral, neutral)
    )[0].tolist()
    assert GREATEST_FLOAT >= first > second == 0.0 > third >= -GREATEST_FLOAT or (first, third) == (0.0, 0.0)
    assert (first == 0.0) == (repetition > 1e300) or abs(first) < 1e-36
    assert fourth == -INF


@settings(deadline=None)
@given(ROW, st.data())
def test_bias(row: list[float], data: st.DataObject) -> None:
    biases = data.draw(
        st.dictionaries(st.integers(0, len(row) - 1), HALVES | st.sampled_from([INF, -INF, 100.0, -100.0]))
    )
    exact = row_of(row)[0].tolist()
    expected = list(exact)
    for token, bias in biases.items():
        expected[token] = -INF if exact[token] == -INF else min(exact[token] + bias, GREATEST_FLOAT)
    scores = torch.cat([row_of(row), row_of([7.0] * len(row))])  # [2, vocab]
    cells = Cells(torch.zeros(len(biases), dtype=torch.int64), integers(*biases))
    biased = add_bias(scores, cells, reals(*biases.values()))
    assert biased.tolist() == [row_of(expected)[0].tolist(), [7.0] * len(row)]


def test_tokens_of_infinite_bias_share_the_row() -> None:
    cells = Cells(integers(0, 0), integers(1, 3))
    scores = add_bias(row_of([5.0, 1.0, 2.0, -7.0]), cells, reals(INF, INF))
    assert weigh(scale(scores, reals(1.0))).tolist() == [[0, GREATEST_WEIGHT, 0, GREATEST_WEIGHT]]


@settings(deadline=None)
@given(ROW, st.floats(0.01, 2.0))
def test_scale_and_weigh(row: list[float], temperature: float) -> None:
    exact = row_of(row)[0].tolist()
    scaled = scale(row_of(row), reals(temperature))
    for score, quotient in zip(exact, scaled[0].tolist(), strict=True):
        # Three float32 roundings: of the difference, the temperature and the quotient.
        expected = (score - max(exact)) / temperature
        assert quotient == pytest.approx(expected, rel=2**-22) or expected < -GREATEST_FLOAT
    for quotient, weight in zip(scaled[0].tolist(), weigh(scaled)[0].tolist(), strict=True):
        # float32 exp is good to two units in its last place; the fraction below one weight is cut off.
        assert weight == pytest.approx(math.exp(quotient) * GREATEST_WEIGHT, rel=2**-22, abs=1)


@pytest.mark.parametrize("temperature", [5e-324, 1e-46, 1e-38, 1e-6])
def test_a_tiny_temperature_leaves_the_greatest_alone(temperature: float) -> None:
    weights = weigh(scale(row_of([1.0, 4.0, -INF, 4.0, 3.9375]), reals(temperature)))
    assert weights.tolist() == [[0, GREATEST_WEIGHT, 0, GREATEST_WEIGHT, 0]]


def test_weigh_refuses_a_vocabulary_whose_sum_could_overflow() -> None:
    with pytest.raises(AssertionError, match="overflow"):
        weigh(torch.zeros(1, 2**18 + 1))
    assert int(weigh(torch.zeros(1, 2**18)).sum()) == 2**62


@settings(deadline=None)
@given(ROW, st.integers(1, 45), st.one_of(st.just(1.0), st.floats(1e-9, 1.0), st.sampled_from([0.5, 0.25])))
def test_top_k_then_top_p(row: list[float], top_k: int, top_p: float) -> None:
    scaled = scale(row_of(row), reals(1.0))
    weights = weigh(scaled)
    kept = keep_top(scaled, weights, integers(top_k), reals(top_p))
    expected = naive_top(scaled[0].tolist(), weights[0].tolist(), top_k, top_p)
    assert kept_of(kept) == expected
    assert kept[0, expected].tolist() == weights[0, expected].tolist()


def test_more_candidates_are_looked_at_until_every_row_is_settled() -> None:
    """At 20,011 tokens the first 1,024 settle some rows, 16,384 settle more, and one needs them all."""
    vocab = 20_011
    settings = [
        (20_011, 0.9), (50, 0.9), (3000, 0.5), (2000, 1.0), (1500, 0.05), (20_011, 0.5), (20_011, 0.9999),
    ]  # fmt: skip
    generator = torch.Generator().manual_seed(5)
    flat = torch.randint(-8, 8, (7, vocab), generator=generator) / 8.0  # [7, vocab], many ties
    flat[0, 77] = 30.0
    scaled = scale(flat, torch.ones(7, dtype=torch.float64))
    weights = weigh(scaled)
    top_k, top_p = zip(*settings, strict=True)
    kept = keep_top(scaled, weights, integers(*top_k), reals(*top_p))
    expected = [naive_top(scaled[i].tolist(), weights[i].tolist(), *settings[i]) for i in range(7)]
    assert [row.nonzero().flatten().tolist() for row in kept] == expected
    sizes = [len(tokens) for tokens in expected]
    assert sizes[0] == 1
    assert sizes[3] == 2000
    assert 1024 < sizes[5] < 16_384 < sizes[6] < vocab


@settings(deadline=None)
@given(ROW, st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 1.0])))
def test_min_p(row: list[float], min_p: float) -> None:
    weights = weigh(scale(row_of(row), reals(1.0)))
    floor = min_p * GREATEST_WEIGHT
    expected = [token for token, weight in enumerate(weights[0].tolist()) if weight > 0 and weight >= floor]
    assert kept_of(keep_min_p(weights, reals(min_p))) == expected


@settings(deadline=None)
@given(WEIGHTS, st.floats(0.0, 1.0, exclude_max=True))
def test_draw_inverts_the_distribution_in_the_order_of_the_vocabulary(
    weights: list[int], chance: float
) -> None:
    cumulative = list(accumulate(weights))
    drawn = int(draw(integers(*weights)[None], reals(chance)))
    assert drawn == bisect_right(cumulative, int(chance * cumulative[-1]))
    assert weights[drawn] > 0


@settings(deadline=None)
@given(st.integers(1, 2**62))
def test_the_greatest_uniform_draws_a_token_whatever_the_total(total: int) -> None:
    assert int(draw(integers(total - 1, 1, 0)[None], reals(1 - 2**-53))) < 2


def test_the_ends_of_the_unit_interval_draw_the_first_and_the_last_token_left() -> None:
    weights = integers(0, 3, 0, GREATEST_WEIGHT, 1, 0).expand(2, 6)
    assert draw(weights, reals(0.0, 1 - 2**-53)).tolist() == [1, 4]
    full = torch.full((1, 2**18), GREATEST_WEIGHT)
    assert draw(full, reals(1 - 2**-53)).tolist() == [2**18 - 1]
