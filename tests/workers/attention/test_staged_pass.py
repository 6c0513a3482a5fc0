"""A model cut into stages gives the logits of the whole one, bit for bit, over real gRPC."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import workers.attention.stage
from kernels.compact import CompactMatrix
from kernels.cpu.settings import CpuPath
from model.config import ModelConfig
from model.determinism import deterministic_row_tile
from model.experts import Experts, LocalExperts
from model.gpt_oss import GptOss
from model.kv_cache import KvCache
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from model.weights import ModelWeights
from protos.errors import ConfigError, StageLostError, WorkerMismatchError
from tests.kernels.cpu.paths import kernels_or_skip
from tests.model.runner import ODD_TINY, load_float32, write_tiny
from workers.attention.remote_stage import RemoteStage
from workers.attention.stage import Stage, StageOptions
from workers.attention.stage_service import StageServer
from workers.attention.stage_worker import StageSettings, StageWorker
from workers.attention.staged_pass import StagedPass
from workers.cache.cached_pages import CacheLayout
from workers.engine.local_step_model import ForwardPass
from workers.engine.settings import EngineSettings

CONFIG = ODD_TINY
PAGE_SIZE, NUM_PAGES = 16, 90
LAYOUT = CacheLayout(PAGE_SIZE, CONFIG.sliding_window, 2048)
SETTINGS = EngineSettings(max_running=3, tokens_per_step=64, page_size=PAGE_SIZE)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> ModelWeights:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(CONFIG, folder)
    return load_float32(folder)[1]


@pytest.fixture(scope="module")
def row_tile(weights: ModelWeights) -> int:
    return deterministic_row_tile(CONFIG, weights)


def test_a_stage_holds_compact_matrices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels_or_skip(CpuPath.AVX2)
    held: list[ModelWeights] = []

    def worker(
        settings: StageSettings, config: ModelConfig, weights: ModelWeights, experts: Experts
    ) -> StageWorker:
        held.append(weights)
        return StageWorker(settings, config, weights, experts)

    monkeypatch.setattr(workers.attention.stage, "StageWorker", worker)
    wide = replace(CONFIG, hidden_size=128)
    write_tiny(wide, tmp_path)
    Stage(tmp_path, StageOptions("stage-0", layers=(1, 2))).stop()
    [weights] = held
    for layer in (1, 2):
        assert isinstance(weights.attention[layer].qkv.weight, CompactMatrix)


def slice_of(weights: ModelWeights, layers: range) -> ModelWeights:
    attention = {layer: weights.attention[layer] for layer in layers}
    return replace(weights, attention=attention)


@contextmanager
def stage_of(weights: ModelWeights, layers: range, model: str = "tiny") -> Iterator[StageServer]:
    experts = LocalExperts(weights.experts, CONFIG.swiglu_limit, None)
    settings = StageSettings(f"stage-{layers.start}", model, torch.float32, cache_bytes=1 << 22)
    server = StageServer(StageWorker(settings, CONFIG, slice_of(weights, layers), experts), "127.0.0.1")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def staged(weights: ModelWeights, cuts: list[int], row_tile: int | None) -> Iterator[StagedPass]:
    """The first layers here; the others in stages that begin at `cuts`."""
    first = GptOss(CONFIG, slice_of(weights, range(cuts[0])), experts_of(weights), row_tile)
    ends = [*cuts[1:], CONFIG.num_layers]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(stage_of(weights, range(start, end)))
            for start, end in zip(cuts, ends, strict=True)
        ]
        stages = [RemoteStage("here", server.address, model="tiny") for server in servers]
        staged_pass = StagedPass(first, stages)
        assert staged_pass.most_pages(SETTINGS, LAYOUT) >= NUM_PAGES
        staged_pass.open(NUM_PAGES, PAGE_SIZE, row_tile)
        stack.callback(staged_pass.close)
        yield staged_pass


def experts_of(weights: ModelWeights) -> LocalExperts:
    return LocalExperts(weights.experts, CONFIG.swiglu_limit, None)


def run(forward_pass: ForwardPass, layers: range) -> list[Tensor]:
    """Three sequences, prefills in chunks among decodes, one step without logits; -> those of every step."""
    cache = KvCache.allocate(
        CONFIG, num_pages=NUM_PAGES, page_size=PAGE_SIZE, dtype=torch.float32, layers=layers
    )
    pool = PagePool(NUM_PAGES)
    generator = torch.Generator().manual_seed(3)
    tokens = [torch.randint(0, CONFIG.vocab_size, (300,), generator=generator).tolist() for _ in range(3)]
    pages = [SequencePages(pool, PAGE_SIZE, CONFIG.sliding_window) for _ in tokens]
    places, logits = [0, 0, 0], []
    for number, shares in enumerate(((40, 0, 1), (1, 33, 1), (21, 1, 50), (1, 1, 1), (130, 2, 7), (3, 1, 4))):
        chunks = []
        for sequence, count in enumerate(shares):
            if count:
                stop = places[sequence] + count
                pages[sequence].make_room(stop)
                wanted = LogitsWanted.ALL if sequence == 1 else LogitsWanted.LAST
                wanted = LogitsWanted.NONE if number == 4 else wanted
                chunk = tokens[sequence][places[sequence] : stop]
                chunks.append(SequenceChunk(chunk, places[sequence], pages[sequence], wanted))
                places[sequence] = stop
        logits.append(forward_pass.forward(StepBatch.build(chunks), cache))
        for sequence, place in enumerate(places):
            pages[sequence].release_behind(place)
    return logits


@pytest.mark.parametrize("cuts", [[1], [3], [2, 3], [1, 2, 4]], ids=str)
def test_stages_give_the_bits_of_the_whole(weights: ModelWeights, row_tile: int, cuts: list[int]) -> None:
    whole = GptOss(CONFIG, weights, experts_of(weights), row_tile)
    expected = run(whole, range(CONFIG.num_layers))
    with staged(weights, cuts, row_tile) as staged_pass:
        found = run(staged_pass, range(cuts[0]))
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_stages_with_a_gap_are_refused(weights: ModelWeights) -> None:
    first = GptOss(CONFIG, slice_of(weights, range(2)), experts_of(weights))
    with stage_of(weights, range(3, 5)) as server:
        gap = StagedPass(first, [RemoteStage("here", server.address, model="tiny")])
        with pytest.raises(ConfigError, match="begins at layer 3; layer 2 is to come"):
            gap.most_pages(SETTINGS, LAYOUT)
        gap.close()
    with stage_of(weights, range(2, 4)) as server:
        short = StagedPass(first, [RemoteStage("here", server.address, model="tiny")])
        with pytest.raises(ConfigError, match="end at layer 4 of 5"):
            short.most_pages(SETTINGS, LAYOUT)
        short.close()


def test_steps_that_fit_into_no_frame_are_refused_before_any_is_made(weights: ModelWeights) -> None:
    first = GptOss(CONFIG, slice_of(weights, range(2)), experts_of(weights))
    with stage_of(weights, range(2, 5)) as server:
        narrow = RemoteStage("here", server.address, model="tiny", max_frame_bytes=20_000)
        staged_pass = StagedPass(first, [narrow])
        staged_pass.most_pages(SETTINGS, LAYOUT)
        with pytest.raises(ConfigError, match=r"raise router\.max_frame_mb"):
            staged_pass.open(NUM_PAGES, PAGE_SIZE, None)
        narrow.close()


def test_a_stage_of_another_model_is_refused(weights: ModelWeights) -> None:
    with stage_of(weights, range(2, 5), model="other") as server:
        stage = RemoteStage("here", server.address, model="tiny")
        with pytest.raises(WorkerMismatchError, match="serves the model other"):
            stage.describe(SETTINGS, LAYOUT)
        stage.close()


def test_who_is_served_no_more_is_told_so(weights: ModelWeights) -> None:
    with staged(weights, [2], None) as staged_pass:
        run(staged_pass, range(2))
        [stage] = staged_pass._stages
        newer = RemoteStage("newer", stage.address, model="tiny")
        newer.open(NUM_PAGES, PAGE_SIZE, None)
        with pytest.raises(StageLostError, match="does not know session"):
            run(staged_pass, range(2))
        newer.close()


def test_a_stage_that_goes_takes_the_step_with_it(weights: ModelWeights) -> None:
    with staged(weights, [2], None) as staged_pass, stage_of(weights, range(2, 5)) as server:
        stage = RemoteStage("here", server.address, model="tiny")
        stage.open(NUM_PAGES, PAGE_SIZE, None)
        staged_pass._stages = [stage]
        run(staged_pass, range(2))
        server.stop()
        with pytest.raises(StageLostError, match="is lost"):
            run(staged_pass, range(2))
        stage.close()
