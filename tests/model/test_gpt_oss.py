"""What test_oracle and test_determinism leave: a model that is cut into stages."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint
from model.experts import LocalExperts
from model.gpt_oss import GptOss
from model.kv_cache import KvCache
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from model.weights import Selection
from tests.model.runner import ODD_TINY, Runner, random_tokens, write_tiny


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
