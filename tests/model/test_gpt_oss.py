"""What test_oracle and test_determinism leave: a model that is cut into stages, rows that nobody wants."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.route import Routing
from model.checkpoint import Checkpoint
from model.determinism import deterministic_row_tile
from model.experts import LocalExperts
from model.gpt_oss import GptOss
from model.kv_cache import KvCache
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from model.weights import Selection
from tests.model.runner import ODD_TINY, REFERENCE, Runner, random_tokens, write_tiny


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder: Path = tmp_path_factory.mktemp("tiny")
    write_tiny(ODD_TINY, folder)
    return Checkpoint.open(folder)


def test_two_stages_are_the_whole_bit_for_bit(checkpoint: Checkpoint) -> None:
    """Each stage loads its own layers only; hidden states pass between them."""
    token_ids = random_tokens(50)
    whole = Runner(ODD_TINY, checkpoint.load(Selection.whole(ODD_TINY))).run(token_ids, [50])
    every_expert = tuple(range(ODD_TINY.num_experts))

    pages = SequencePages(PagePool(10), 16, ODD_TINY.sliding_window)
    pages.make_room(50)
    batch = StepBatch.build([SequenceChunk(token_ids, 0, pages, LogitsWanted.ALL)])
    hidden = torch.empty(0)
    stages: list[GptOss] = []
    for layers in ((0, 1), (2, 3, 4)):
        selection = Selection(layers, dict.fromkeys(layers, every_expert), layers[0] == 0, layers[-1] == 4)
        weights = checkpoint.load(selection)
        stage = GptOss(ODD_TINY, weights, LocalExperts(weights.experts, ODD_TINY.swiglu_limit, None))
        cache = KvCache.allocate(ODD_TINY, num_pages=10, page_size=16, dtype=torch.bfloat16, layers=layers)
        hidden = stage.run_layers(hidden if stages else stage.embed(batch), layers, batch, cache)
        stages.append(stage)
    assert torch.equal(stages[-1].unembed(hidden), whole)


class CountingExperts:
    """`Experts` that remember how many rows each call brought."""

    def __init__(self, experts: LocalExperts) -> None:
        self._experts = experts
        self.layer_to_rows: dict[int, int] = {}

    def __call__(self, layer: int, x: Tensor, routing: Routing) -> Tensor:
        self.layer_to_rows[layer] = len(x)
        return self._experts(layer, x, routing)


WANTED: dict[tuple[LogitsWanted, ...], list[int]] = {
    (LogitsWanted.LAST, LogitsWanted.ALL, LogitsWanted.NONE): [29, 30, 31, 32],
    (LogitsWanted.NONE, LogitsWanted.NONE, LogitsWanted.LAST): [44],
    (LogitsWanted.NONE, LogitsWanted.NONE, LogitsWanted.NONE): [],
}


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("settings", [DEFAULT_SETTINGS, REFERENCE], ids=["built", "reference"])
def test_only_rows_that_want_logits_visit_the_last_layer_s_experts(
    checkpoint: Checkpoint, settings: CpuKernelSettings, dtype: torch.dtype, wanted: tuple[LogitsWanted, ...]
) -> None:
    """Their bits do not show it in deterministic mode, nor do the keys and values that every row leaves."""
    weights = checkpoint.load(Selection.whole(ODD_TINY), dtype=dtype)
    row_tile = deterministic_row_tile(ODD_TINY, weights, settings)
    experts = CountingExperts(LocalExperts(weights.experts, ODD_TINY.swiglu_limit, row_tile, settings))
    model = GptOss(ODD_TINY, weights, experts, row_tile, settings)
    tokens = [random_tokens(length) for length in (30, 3, 12)]
    logits, caches = [], []
    for each in ((LogitsWanted.ALL,) * 3, wanted):
        pool = PagePool(20)
        cache = KvCache.allocate(ODD_TINY, num_pages=20, page_size=16, dtype=dtype)
        chunks = []
        for token_ids, of_chunk in zip(tokens, each, strict=True):
            pages = SequencePages(pool, 16, ODD_TINY.sliding_window)
            pages.make_room(len(token_ids))
            chunks.append(SequenceChunk(token_ids, 0, pages, of_chunk))
        experts.layer_to_rows.clear()
        logits.append(model.forward(StepBatch.build(chunks), cache))
        caches.append(cache)
    rows = WANTED[wanted]
    assert torch.equal(logits[1], logits[0][rows])
    assert torch.equal(caches[1].keys, caches[0].keys)
    assert torch.equal(caches[1].values, caches[0].values)
    last = ODD_TINY.num_layers - 1
    assert [experts.layer_to_rows.get(layer, 0) for layer in (0, last)] == [45, len(rows)]
