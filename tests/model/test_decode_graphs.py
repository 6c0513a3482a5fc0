"""Recorded decode steps, with a recorder of this machine: the same logits, whatever fills the bucket up."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model.decode_graphs import FIRST_WIDTH, Bucket, DecodeGraphs
from model.dummy import dummy_weights
from model.experts import LocalExperts
from model.gpt_oss import GptOss
from model.kv_cache import KvCache
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from tests.model.runner import ODD_TINY, REFERENCE, random_tokens
from tests.model.tiny_model import TINY

NUM_PAGES, PAGE_SIZE, ROW_TILE = 200, 4, 1  # a tile of one row: bits do not depend on the batch


class CountingRecorder:
    """Plays by computing again, on the very tensors that it was given."""

    def __init__(self) -> None:
        self.num_recordings = 0

    def __call__(self, step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.num_recordings += 1
        step()  # as on a GPU: what is recorded also runs, on idle sequences
        return step


def tiny_model() -> GptOss:
    weights = dummy_weights(ODD_TINY, 5)
    experts = LocalExperts(weights.experts, ODD_TINY.swiglu_limit, ROW_TILE, REFERENCE)
    return GptOss(ODD_TINY, weights, experts, ROW_TILE)


class Steps:
    """Sequences on a cache of their own, whose pages are NaN until they are written."""

    def __init__(self, forward: Callable[[StepBatch, KvCache], Tensor], prompts: list[list[int]]) -> None:
        self._forward = forward
        self._pool = PagePool(NUM_PAGES)
        self._cache = KvCache.allocate(
            ODD_TINY, num_pages=NUM_PAGES + 1, page_size=PAGE_SIZE, dtype=torch.bfloat16
        )
        self._cache.keys.fill_(torch.nan)
        self._cache.values.fill_(torch.nan)
        self._pages = [SequencePages(self._pool, PAGE_SIZE, ODD_TINY.sliding_window) for _ in prompts]
        self._lengths = [0] * len(prompts)
        self.run(prompts)

    def run(self, tokens: list[list[int]]) -> Tensor:
        """One step, with an empty list for a sequence that rests; -> [sequences, vocab]"""
        chunks = []
        for index, token_ids in enumerate(tokens):
            if token_ids:
                self._pages[index].make_room(self._lengths[index] + len(token_ids))
                chunks.append(
                    SequenceChunk(token_ids, self._lengths[index], self._pages[index], LogitsWanted.LAST)
                )
                self._lengths[index] += len(token_ids)
        logits = self._forward(StepBatch.build(chunks), self._cache).clone()
        for pages, length in zip(self._pages, self._lengths, strict=True):
            pages.release_behind(length)
        return logits


def test_recorded_steps_have_the_bits_of_plain_ones() -> None:
    model, recorder = tiny_model(), CountingRecorder()
    graphs = DecodeGraphs(model.forward, recorder, most_sequences=8, spare_page=NUM_PAGES)
    prompts = [random_tokens(length) for length in (9, 1, 30, 4, 17)]
    plain, recorded = Steps(model.forward, prompts), Steps(graphs.forward, prompts)
    for resting in ((), (1,), (0, 2, 3), (), (4,), (0, 1, 2, 3)):
        tokens = [[] if index in resting else random_tokens(1) for index in range(5)]
        expected = plain.run(tokens)
        assert not expected.isnan().any()
        assert torch.equal(recorded.run(tokens), expected)
    assert recorder.num_recordings == 4  # for 8, 4, 2 and 1 sequences


def test_what_is_not_all_decodes_runs_as_it_is() -> None:
    model, recorder = tiny_model(), CountingRecorder()
    graphs = DecodeGraphs(model.forward, recorder, most_sequences=1, spare_page=NUM_PAGES)
    prompts = [random_tokens(5), random_tokens(2)]
    plain, recorded = Steps(model.forward, prompts), Steps(graphs.forward, prompts)
    for tokens in ([random_tokens(3), random_tokens(1)], [random_tokens(1), random_tokens(1)]):
        assert torch.equal(recorded.run(tokens), plain.run(tokens))
    assert recorder.num_recordings == 0  # a prefill, and more sequences than are recorded
    tokens = [random_tokens(1), []]
    assert torch.equal(recorded.run(tokens), plain.run(tokens))
    assert recorder.num_recordings == 1


@pytest.mark.parametrize(("num_pages", "width"), [(1, 64), (64, 64), (65, 256), (257, 1024)])
def test_a_growing_sequence_meets_few_buckets(num_pages: int, width: int) -> None:
    pages = SequencePages(PagePool(2 * num_pages), PAGE_SIZE, TINY.sliding_window)
    length = num_pages * PAGE_SIZE
    pages.make_room(length)
    pages.release_behind(length)
    bucket = Bucket.of(StepBatch.build([SequenceChunk([1], length - 1, pages)]))
    assert bucket == Bucket(num_sequences=1, full_width=width, sliding_width=FIRST_WIDTH)
