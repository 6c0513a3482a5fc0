"""An engine from a model folder, as the commands open it."""

import queue
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kernels.compact import CompactMatrix
from kernels.cpu.settings import CpuPath
from model.generate import generate
from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from model.tokenizer.vocabulary_file import TOKENIZER_NAME
from protos.errors import ConfigError, InvalidRequestError, TokenizerError
from tests.kernels.cpu.paths import kernels_or_skip
from tests.workers.engine.tiny_engine import SPOKEN, write_spoken_model
from workers.engine.engine import Engine
from workers.engine.events import ChoiceDelta, Event, RequestEnded
from workers.engine.local_engine import LocalEngineOptions, load_model, local_engine, open_tokenizer
from workers.engine.request import GenerationRequest, StopRules
from workers.engine.settings import EngineSettings

OPTIONS = LocalEngineOptions(EngineSettings(max_running=4, tokens_per_step=32), cache_bytes=8 << 20)


Events = queue.SimpleQueue[Sequence[Event]]


def nowhere(events: Sequence[Event]) -> None:
    """For engines that are never started."""


def output_of(engine: Engine, events: Events, request: GenerationRequest) -> list[int]:
    engine.submit(request)
    output: list[int] = []
    while True:
        for event in events.get(timeout=60):
            if isinstance(event, ChoiceDelta):
                output += event.token_ids
            elif isinstance(event, RequestEnded):
                assert event.error is None
                return output


def test_a_folder_becomes_an_engine(spoken_folder: Path) -> None:
    model = load_model(spoken_folder, OPTIONS)
    events: Events = queue.SimpleQueue()
    engine = local_engine(model, open_tokenizer(spoken_folder, model.config), OPTIONS, events.put)
    engine.start()
    request = GenerationRequest("one", (1, 2, 3), SamplingParameters(temperature=0.0), max_tokens=6)
    assert output_of(engine, events, request) == list(generate(model, (1, 2, 3), request.sampling, 6))
    engine.close()


def test_what_is_loaded_is_compact(spoken_folder: Path) -> None:
    kernels_or_skip(CpuPath.AVX2)
    weights = load_model(spoken_folder, OPTIONS).weights
    assert weights.unembedding is not None
    for matrix in (weights.unembedding.projection, weights.attention[4].qkv.weight):
        assert isinstance(matrix, CompactMatrix)


def test_the_context_limit_is_the_lowest_of_model_memory_and_wish(tiny_model: LocalModel) -> None:
    def limit(options: LocalEngineOptions) -> int:
        engine = local_engine(tiny_model, None, options, nowhere)
        return engine.context_limit

    assert limit(OPTIONS) == SPOKEN.max_positions
    assert 100 < limit(replace(OPTIONS, cache_bytes=300_000)) < SPOKEN.max_positions
    with pytest.raises(ConfigError, match="the smallest cache"):
        limit(replace(OPTIONS, cache_bytes=10_000))


def test_a_wish_for_less_context_is_obeyed(spoken_folder: Path) -> None:
    model = load_model(spoken_folder, replace(OPTIONS, context_limit=100))
    engine = local_engine(model, None, OPTIONS, nowhere)
    assert engine.context_limit == 100


def test_without_a_tokenizer_what_needs_text_is_refused(tmp_path: Path, tiny_model: LocalModel) -> None:
    write_spoken_model(tmp_path)
    (tmp_path / TOKENIZER_NAME).unlink()
    assert open_tokenizer(tmp_path, SPOKEN) is None
    engine = local_engine(tiny_model, None, OPTIONS, nowhere)
    for wishes in ({"stop": StopRules(strings=("x",))}, {"reasoning_budget": 5}):
        with pytest.raises(InvalidRequestError, match=r"no tokenizer.json|has none"):
            engine.submit(GenerationRequest("one", (1,), **wishes))


def test_a_damaged_tokenizer_is_an_error(tmp_path: Path) -> None:
    write_spoken_model(tmp_path)
    (tmp_path / TOKENIZER_NAME).write_text("{")
    with pytest.raises(TokenizerError, match=TOKENIZER_NAME):
        open_tokenizer(tmp_path, SPOKEN)
