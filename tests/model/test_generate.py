"""Generation step by step against one forward pass over everything."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.config import ModelConfig
from model.generate import PREFILL_CHUNK, generate
from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidRequestError
from tests.model.runner import ODD_TINY, Runner, load_float32, random_tokens, write_tiny

GREEDY = SamplingParameters(temperature=0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(ODD_TINY, folder)
    return LocalModel.of(*load_float32(folder), deterministic=True)


@pytest.mark.parametrize("length", [1, PREFILL_CHUNK, PREFILL_CHUNK + 1, 2 * PREFILL_CHUNK + 90])
def test_greedy_tokens_are_the_argmax_of_one_pass(model: LocalModel, length: int) -> None:
    prompt = random_tokens(length)
    token_ids = list(generate(model, prompt, GREEDY, 12))
    whole = [*prompt, *token_ids]
    logits = Runner(ODD_TINY, model.weights, row_tile=model.row_tile).run(whole, [len(whole)])
    assert token_ids == logits[length - 1 : -1].argmax(dim=-1).tolist()


def test_a_stop_token_is_the_last_one(model: LocalModel) -> None:
    prompt = random_tokens(9)
    free = list(generate(model, prompt, GREEDY, 12))
    stop = free[5]
    assert list(generate(model, prompt, GREEDY, 12, frozenset({stop}))) == free[: free.index(stop) + 1]


def test_penalties_see_what_was_written(model: LocalModel) -> None:
    never_twice = SamplingParameters(temperature=0, frequency_penalty=2.0, logit_bias={3: 20.0, 4: 19.0})
    token_ids = list(generate(model, random_tokens(9), never_twice, 6))
    assert token_ids[:1] == [3]
    assert 4 in token_ids


def test_a_seed_repeats_and_another_differs(model: LocalModel) -> None:
    prompt = random_tokens(9)
    runs = [list(generate(model, prompt, SamplingParameters(seed=seed), 20)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("prompt", "max_new_tokens", "message"),
    [
        ([], 1, "the prompt is empty"),
        ([0] * 60, 5, "60 prompt tokens and 5 new ones make 65; the model has 64 positions"),
        ([0, 211], 1, "prompt token 1 is 211; the vocabulary has the tokens 0 to 210"),
        ([-1], 1, "prompt token 0 is -1"),
    ],
)
def test_what_cannot_be_generated_is_refused_before_any_work(
    tmp_path: Path, prompt: list[int], max_new_tokens: int, message: str
) -> None:
    config: ModelConfig = replace(ODD_TINY, max_positions=64)
    write_tiny(config, tmp_path)
    model = LocalModel.of(*load_float32(tmp_path))
    with pytest.raises(InvalidRequestError, match=message):
        next(generate(model, prompt, GREEDY, max_new_tokens))


def test_the_last_position_can_be_filled(tmp_path: Path) -> None:
    config = replace(ODD_TINY, max_positions=64)
    write_tiny(config, tmp_path)
    model = LocalModel.of(*load_float32(tmp_path))
    assert len(list(generate(model, random_tokens(60), GREEDY, 4))) == 4


def test_a_request_without_a_seed_gets_one(model: LocalModel) -> None:
    prompt = random_tokens(9)
    first, second = (list(generate(model, prompt, SamplingParameters(), 20)) for _ in range(2))
    assert len(first) == len(second) == 20
    assert first != second  # both alike: a chance far below 1e-9 at this temperature
