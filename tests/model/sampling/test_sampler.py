import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kernels.philox import uniform
from model.sampling.parameters import SamplingParameters
from model.sampling.sampled_tokens import SampledTokens
from model.sampling.sampler import Sampler, SamplerRow
from model.sampling.token_counts import TokenCounts

INF = math.inf
GREEDY = SamplingParameters(temperature=0)
SEEDED = SamplingParameters(seed=7)
KINDS = [
    GREEDY,
    SamplingParameters(temperature=0.8, seed=1, logprobs=3),
    SamplingParameters(top_k=5, seed=2),
    SamplingParameters(temperature=1.5, top_p=0.9, seed=3, logprobs=0),
    SamplingParameters(top_k=40, top_p=0.95, min_p=0.05, seed=4, frequency_penalty=0.5, logit_bias={2: 3.5}),
    SamplingParameters(temperature=0, repetition_penalty=1.3, presence_penalty=-0.7, logprobs=1),
    SamplingParameters(temperature=2, min_p=0.01, seed=-5),
]


def step(num_rows: int, kinds: Sequence[SamplingParameters] = KINDS) -> list[SamplerRow]:
    """Rows of every kind, each with a history of its own."""
    return [
        SamplerRow(kinds[index % len(kinds)], 10 * index, TokenCounts([index % 3, 1], [2, 2, index % 5]))
        for index in range(num_rows)
    ]


def random_logits(num_rows: int, vocab: int, seed: int = 0) -> Tensor:
    return torch.randn(num_rows, vocab, generator=torch.Generator().manual_seed(seed)) * 4


def sample_one(
    logits: Sequence[float],
    parameters: SamplingParameters,
    position: int = 0,
    counts: TokenCounts | None = None,
) -> int:
    row = SamplerRow(parameters, position, counts)
    return Sampler(len(logits)).sample(torch.tensor([logits]), [row]).token_ids[0]


def support(logits: Sequence[float], parameters: SamplingParameters) -> set[int]:
    """The tokens that 300 draws give; one of probability 5 % is missed with a chance of 2e-7."""
    rows = [SamplerRow(replace(parameters, seed=5), position) for position in range(300)]
    return set(Sampler(len(logits)).sample(torch.tensor([logits]).repeat(300, 1), rows).token_ids)


def naive_sample(logits: list[float], row: SamplerRow, allowed: list[bool]) -> int:
    """The definition of kernels/sample.py for one row, in float64 and plain Python."""
    wish, counts = row.parameters, row.counts
    scores = [score if ok else -INF for score, ok in zip(logits, allowed, strict=True)]
    if counts is not None:
        for token, count in zip(counts.token_ids.tolist(), counts.output_counts.tolist(), strict=True):
            factor = 1 / wish.repetition_penalty if scores[token] > 0 else wish.repetition_penalty
            scores[token] *= factor
            scores[token] -= wish.presence_penalty * (count > 0) + wish.frequency_penalty * count
    for token, bias in wish.logit_bias.items():
        scores[token] += bias
    ranked = sorted(range(len(scores)), key=lambda token: (-scores[token], token))
    if wish.temperature == 0:
        return ranked[0]
    weights = [math.exp((score - max(scores)) / wish.temperature) for score in scores]
    ranked = ranked[: wish.top_k]
    limit = wish.top_p * sum(weights[token] for token in ranked) if wish.top_p < 1 else INF
    kept = [
        token
        for place, token in enumerate(ranked)
        if sum(weights[other] for other in ranked[:place]) < limit and weights[token] >= wish.min_p
    ]
    chance = float(uniform(torch.tensor([row.seed]), torch.tensor([row.position])))
    target = chance * sum(weights[token] for token in kept)
    for token in sorted(kept):
        target -= weights[token]
        if target < 0:
            return token
    raise AssertionError("the draw fell past the last token")


def test_every_row_is_what_the_definition_says() -> None:
    """700 rows of seven kinds, without ties: float32 and float64 then part in one draw of a million."""
    vocab, rows = 23, step(700)
    logits = random_logits(700, vocab)
    allowed = torch.rand(700, vocab, generator=torch.Generator().manual_seed(1)) < 0.8
    sampled = Sampler(vocab).sample(logits, rows, allowed)
    expected = [
        naive_sample(own, row, mask)
        for own, row, mask in zip(logits.tolist(), rows, allowed.tolist(), strict=True)
    ]
    assert list(sampled.token_ids) == expected
    assert len(set(expected)) == vocab


def test_greedy_takes_the_lowest_of_equals() -> None:
    assert sample_one([1.0, 3.0, 2.0, 3.0, 3.0], GREEDY) == 1


def test_top_k_of_equals_keeps_the_lowest() -> None:
    assert support([1.0, 1.0, 2.0, 1.0, 1.0], SamplingParameters(top_k=3)) == {0, 1, 2}


def test_top_p_of_equals_keeps_the_lowest() -> None:
    assert support([1.0] * 10, SamplingParameters(top_p=0.35)) == {0, 1, 2, 3}


def test_repetition_comes_before_presence() -> None:
    """2 / 2 − 1 = 0 loses against 0.25; (2 − 1) / 2 would win."""
    parameters = SamplingParameters(temperature=0, repetition_penalty=2, presence_penalty=1)
    assert sample_one([2.0, 0.25], parameters, counts=TokenCounts([], [0])) == 1


def test_bias_comes_after_the_penalties() -> None:
    """−1 * 4 + 3 = −1 loses against 0; (−1 + 3) / 4 would win."""
    parameters = SamplingParameters(temperature=0, repetition_penalty=4, logit_bias={0: 3})
    assert sample_one([-1.0, 0.0], parameters, counts=TokenCounts([0])) == 1


def test_top_p_looks_at_the_tempered_distribution() -> None:
    logits = [math.log(share) for share in (0.75, 0.2, 0.05)]
    assert support(logits, SamplingParameters(top_p=0.7)) == {0}
    assert support(logits, SamplingParameters(top_p=0.7, temperature=2)) == {0, 1}


def test_top_p_is_a_share_of_what_top_k_left() -> None:
    """0.4 of 0.7 is more than one half; 0.4 of everything is less."""
    logits = [math.log(share) for share in (0.4, 0.3, 0.2, 0.1)]
    assert support(logits, SamplingParameters(top_p=0.5)) == {0, 1}
    assert support(logits, SamplingParameters(top_p=0.5, top_k=2)) == {0}


def test_presence_and_frequency_see_the_output_only() -> None:
    parameters = SamplingParameters(temperature=0, presence_penalty=1, frequency_penalty=1)
    assert sample_one([1.5, 1.0], parameters, counts=TokenCounts([0, 0])) == 0
    assert sample_one([1.5, 1.0], parameters, counts=TokenCounts([], [0])) == 1


def test_repetition_sees_the_prompt_too() -> None:
    parameters = SamplingParameters(temperature=0, repetition_penalty=2)
    assert sample_one([1.5, 1.0], parameters, counts=TokenCounts([0])) == 1


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("num_rows", "vocab"), [(20, 23), (20, 1003), (9, 40_009)])
def test_a_row_gets_the_same_bits_alone_and_at_any_place_of_any_batch(num_rows: int, vocab: int) -> None:
    logits, rows, sampler = random_logits(num_rows, vocab), step(num_rows), Sampler(vocab)
    together = sampler.sample(logits, rows)
    for size in (1, 2, 5, 9):
        for start in range(0, num_rows - size + 1, size):
            part = slice(start, start + size)
            own = sampler.sample(logits[part].clone(), rows[part])
            assert own == SampledTokens(together.token_ids[part], together.logprobs[part])


@pytest.mark.usefixtures("one_thread")
def test_the_number_of_threads_does_not_show() -> None:
    logits, rows, sampler = random_logits(7, 70_001), step(7), Sampler(70_001)
    alone = sampler.sample(logits, rows)
    torch.set_num_threads(2)
    assert sampler.sample(logits, rows) == alone


def test_seed_and_position_decide_the_draw() -> None:
    logits = torch.zeros(200, 50)

    def tokens(seed: int, first_position: int) -> tuple[int, ...]:
        parameters = SamplingParameters(seed=seed)
        rows = [SamplerRow(parameters, first_position + index) for index in range(200)]
        return Sampler(50).sample(logits, rows).token_ids

    assert tokens(7, 0) == tokens(7, 0)
    assert tokens(7, 0)[100:] == tokens(7, 100)[:100]
    # Independent draws from 50 equal tokens coincide 4 times in 200; 20 times has a chance of 1e-9.
    assert sum(map(int.__eq__, tokens(7, 0), tokens(8, 0))) < 20
    assert sum(map(int.__eq__, tokens(7, 0), tokens(7, 1))) < 20


def generate(prompt: list[int], output: list[int], until: int) -> list[int]:
    """A toy model (fixed logits for each last token) run from wherever another worker left off."""
    table = random_logits(23, 23, seed=3)  # [last token, vocab]
    parameters = SamplingParameters(seed=11, frequency_penalty=0.8, repetition_penalty=1.2, top_p=0.9)
    counts, output = TokenCounts(prompt, output), list(output)
    while len(output) < until:
        last = (prompt + output)[-1]
        row = SamplerRow(parameters, len(prompt) + len(output), counts)
        output.extend(Sampler(23).sample(table[last : last + 1], [row]).token_ids)
        counts.add(output[-1])
    return output


def test_a_sequence_taken_over_goes_on_with_the_same_tokens() -> None:
    whole = generate([4, 9, 4], [], until=40)
    assert len(set(whole)) > 10
    for cut in (1, 17, 39):
        assert generate([4, 9, 4], whole[:cut], until=40) == whole


def test_logprobs_are_of_the_models_own_distribution() -> None:
    vocab, rows = 23, step(21)
    logits = random_logits(21, vocab)
    allowed = torch.ones(21, vocab, dtype=torch.bool)
    allowed[torch.arange(21), logits.argmax(dim=1)] = False
    sampled = Sampler(vocab).sample(logits, rows, allowed)
    expected = logits.double().log_softmax(dim=1)
    for index, (token_id, found) in enumerate(zip(sampled.token_ids, sampled.logprobs, strict=True)):
        top_n = rows[index].parameters.logprobs
        if top_n is None:
            assert found is None
            continue
        assert found is not None
        best = expected[index].sort(descending=True).indices[:top_n].tolist()
        assert found.chosen.token_id == token_id
        assert [entry.token_id for entry in found.top] == best
        for entry in (found.chosen, *found.top):
            # kernels.logprobs sums float32 exponentials, good to 2⁻²².
            assert entry.logprob == pytest.approx(float(expected[index, entry.token_id]), abs=2**-22)


def test_more_top_logprobs_than_tokens_are_all_of_them() -> None:
    row = SamplerRow(SamplingParameters(temperature=0, logprobs=20), 0)
    found = Sampler(3).sample(torch.tensor([[1.0, 2.0, 2.0]]), [row]).logprobs[0]
    assert found is not None
    assert [entry.token_id for entry in found.top] == [1, 2, 0]


@pytest.mark.parametrize("top_n", [0, 4])
def test_prompt_logprobs(top_n: int) -> None:
    logits = random_logits(19, 29)
    token_ids = torch.randint(0, 29, (19,), generator=torch.Generator().manual_seed(8)).tolist()
    found = Sampler(29).prompt_logprobs(logits, token_ids, top_n)
    expected = logits.double().log_softmax(dim=1)
    assert [entry.chosen.token_id for entry in found] == token_ids
    assert [entry.chosen.logprob for entry in found] == pytest.approx(
        expected[torch.arange(19), token_ids].tolist(),
        abs=2**-22,  # float32 exponentials, as above
    )
    top = expected.sort(descending=True)
    assert [[each.token_id for each in entry.top] for entry in found] == top.indices[:, :top_n].tolist()
    for entry, values in zip(found, top.values[:, :top_n].tolist(), strict=True):
        assert [each.logprob for each in entry.top] == pytest.approx(values, abs=2**-22)


def test_bfloat16_logits_are_widened_first() -> None:
    logits = random_logits(10, 23).bfloat16()
    assert Sampler(23).sample(logits, step(10)) == Sampler(23).sample(logits.float(), step(10))


def test_the_callers_logits_are_left_alone() -> None:
    logits = random_logits(10, 23)
    before = logits.clone()
    Sampler(23).sample(logits, step(10), logits > -5)
    assert torch.equal(logits, before)


def test_a_step_without_rows_has_no_tokens() -> None:
    assert Sampler(23).sample(torch.empty(0, 23), []) == SampledTokens((), ())


def test_a_top_k_beyond_the_vocabulary_keeps_all() -> None:
    assert support([0.0, 0.0, 0.0], SamplingParameters(top_k=10**30)) == {0, 1, 2}


def test_a_bias_of_100_decides() -> None:
    assert support([9.0, 0.0, 9.0], SamplingParameters(logit_bias={1: 100})) == {1}
    assert support([9.0, 0.0, 9.0], SamplingParameters(logit_bias={2: -100})) == {0}
