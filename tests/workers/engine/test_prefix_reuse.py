"""A prefix that was found gives the bits that a prefix computed anew gives, at every edge.

Deterministic mode, float32, blank pages poisoned with NaN; log-probabilities are compared bit for bit.
"""

import pytest
import torch

from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from tests.workers.engine.tiny_engine import SPOKEN, TinyEngine, Told
from workers.engine.request import GenerationRequest

GREEDY = SamplingParameters(temperature=0.0, logprobs=5)
WINDOW = SPOKEN.sliding_window
EDGES = [1, 15, 16, 17, 33, 112, 113, 126, 127, 128, 129, 130, 143, 144, 145, 160, 257]


def tokens(count: int, seed: int = 3) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, SPOKEN.vocab_size, (count,), generator=generator).tolist())


def request(name: str, prompt: tuple[int, ...], num_tokens: int = 3, salt: bytes = b"") -> GenerationRequest:
    return GenerationRequest(name, prompt, GREEDY, max_tokens=num_tokens, cache_salt=salt)


def cached(told: Told) -> int:
    assert told.end is not None
    assert told.end.error is None
    return told.end.usage.cached_tokens


@pytest.mark.parametrize("length", EDGES)
def test_the_same_prompt_again(tiny_model: LocalModel, length: int) -> None:
    engine = TinyEngine(tiny_model, tokens_per_step=48 + length % 40)
    prompt = tokens(length)
    (miss,) = engine.run(request("miss", prompt))
    (hit,) = engine.run(request("hit", prompt))
    assert cached(miss) == 0
    assert cached(hit) == (length - 1) // 16 * 16
    assert hit.outputs == miss.outputs
    assert hit.logprobs == miss.logprobs


@pytest.mark.parametrize("length", [15, 16, 17, 112, 126, 127, 128, 129, 144])
@pytest.mark.parametrize("num_output", [1, 2, 16, 17])
def test_the_next_turn_of_a_conversation(tiny_model: LocalModel, length: int, num_output: int) -> None:
    prompt = tokens(length)
    engine = TinyEngine(tiny_model)
    (first,) = engine.run(request("first", prompt, num_output))
    turn = (*prompt, *first.outputs[0], *tokens(20, seed=4))
    (hit,) = engine.run(request("second", turn))
    (miss,) = TinyEngine(tiny_model).run(request("second", turn))
    assert cached(hit) == (length + num_output - 1) // 16 * 16  # the last token of a turn is never computed
    assert cached(miss) == 0
    assert hit.outputs == miss.outputs
    assert hit.logprobs == miss.logprobs


@pytest.mark.parametrize("length", [127, 128, 129, 144])
def test_another_answer_to_the_same_prompt_goes_on_from_its_end(tiny_model: LocalModel, length: int) -> None:
    """As when the analysis of a turn is dropped from the history: only the old prompt is common."""
    prompt = tokens(length)
    engine = TinyEngine(tiny_model)
    engine.run(request("first", prompt, 150))  # the window has long moved on
    other = (*prompt, *tokens(30, seed=9))
    (hit,) = engine.run(request("other", other))
    (miss,) = TinyEngine(tiny_model).run(request("other", other))
    assert cached(hit) == (length - 1) // 16 * 16
    assert hit.logprobs == miss.logprobs


def test_a_long_prompt_is_found_at_its_checkpoints(tiny_model: LocalModel) -> None:
    engine = TinyEngine(tiny_model, checkpoint_interval=256)
    prompt = tokens(700)
    engine.run(request("first", prompt))
    for common, expected in ((700, 688), (687, 512), (512, 512), (511, 256), (300, 256), (255, 0)):
        other = (*prompt[:common], *tokens(40, seed=common))
        (hit,) = engine.run(request(f"{common}", other))
        (miss,) = TinyEngine(tiny_model).run(request(f"{common}", other))
        assert cached(hit) == expected
        assert hit.logprobs == miss.logprobs


def test_eviction_under_pressure_changes_nothing(tiny_model: LocalModel) -> None:
    """A cache that holds about two of ten conversations; every turn is right, some of it found."""
    engine = TinyEngine(tiny_model, num_pages=60, max_running=3)
    conversations = [tokens(130 + 7 * number, seed=number) for number in range(10)]
    num_found = 0
    for turn in range(2):
        for first in range(0, 10, 3):
            batch = [
                request(f"{turn} {number}", conversations[number], 4)
                for number in range(first, min(first + 3, 10))
            ]
            for asked, told in zip(batch, engine.run(*batch), strict=True):
                number = int(asked.request_id.split()[1])
                (alone,) = TinyEngine(tiny_model).run(asked)
                assert told.logprobs == alone.logprobs
                num_found += cached(told)
                conversations[number] = (*asked.prompt, *told.outputs[0], *tokens(5, seed=turn))
    assert engine.core.pool.num_free == 60


def test_salts_do_not_meet(tiny_model: LocalModel) -> None:
    engine = TinyEngine(tiny_model)
    prompt = tokens(100)
    engine.run(request("one", prompt, salt=b"tenant one"))
    (other,) = engine.run(request("two", prompt, salt=b"tenant two"))
    (same,) = engine.run(request("three", prompt, salt=b"tenant one"))
    assert cached(other) == 0
    assert cached(same) == 96


def test_choices_share_one_prefill(tiny_model: LocalModel) -> None:
    engine = TinyEngine(tiny_model)
    prompt = tokens(150)
    asked = GenerationRequest(
        "many", prompt, SamplingParameters(seed=5, logprobs=2), max_tokens=4, num_choices=5
    )
    (told,) = engine.run(asked)
    assert len({tuple(output) for output in told.outputs}) > 1
    assert sum(engine.forward_pass.num_tokens) == 150 + 4 * (150 - 144) + 5 * 3
    for choice in range(5):
        alone = TinyEngine(tiny_model)
        alone.submit(GenerationRequest("many", prompt, asked.sampling, max_tokens=4, num_choices=choice + 1))
        alone.run()
        assert alone.told["many"].logprobs[choice] == told.logprobs[choice]
