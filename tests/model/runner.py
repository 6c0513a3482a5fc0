"""Runs tiny models step by step, with every page poisoned that no sequence owns."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings, CpuPath
from model.checkpoint import Checkpoint, write_checkpoint
from model.config import LayerKind, ModelConfig
from model.dummy import dummy_weights
from model.experts import LocalExperts
from model.gpt_oss import GptOss
from model.kv_cache import KvCache
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from model.weights import ModelWeights, Selection
from tests.model.tiny_model import TINY

REFERENCE = CpuKernelSettings(CpuPath.REFERENCE)

FULL, SLIDING = LayerKind.FULL, LayerKind.SLIDING

ODD_TINY = replace(
    TINY,
    layer_kinds=(SLIDING, FULL, FULL, SLIDING, FULL),
    sliding_window=20,
    max_positions=8192,
    swiglu_limit=0.9,  # low, so that the clamps are at work
)
"""What only config.json can tell: layers out of turn, a window and a clamp of its own."""


def write_tiny(config: ModelConfig, folder: Path, seed: int = 5) -> None:
    write_checkpoint(config, dummy_weights(config, seed), folder)


def load_float32(folder: Path) -> tuple[ModelConfig, ModelWeights]:
    checkpoint = Checkpoint.open(folder)
    weights = checkpoint.load(Selection.whole(checkpoint.config), dtype=torch.float32)
    return checkpoint.config, weights


def random_tokens(count: int, config: ModelConfig = ODD_TINY) -> list[int]:
    return torch.randint(0, config.vocab_size, (count,)).tolist()


class Runner:
    """Runs sequences step by step over one cache. Every page that no sequence owns is NaN at every step."""

    def __init__(
        self,
        config: ModelConfig,
        weights: ModelWeights,
        *,
        row_tile: int | None = None,
        page_size: int = 16,
        cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
    ) -> None:
        dtype = weights.attention[0].sinks.dtype
        self.config = config
        self.page_size = page_size
        self.pool = PagePool(700)
        self.cache = KvCache.allocate(config, num_pages=700, page_size=page_size, dtype=dtype)
        experts = LocalExperts(weights.experts, config.swiglu_limit, row_tile, cpu_kernels)
        self._model = GptOss(config, weights, experts, row_tile, cpu_kernels)

    def begin(self, token_ids: Sequence[int]) -> "RunningSequence":
        pages = SequencePages(self.pool, self.page_size, self.config.sliding_window)
        return RunningSequence(token_ids, pages)

    def step(self, shares: Sequence[tuple["RunningSequence", int]]) -> list[Tensor]:
        """Advance each sequence by so many tokens in one forward pass; -> logits of each [tokens, vocab]."""
        chunks = [sequence.next_chunk(count) for sequence, count in shares]
        self._poison_free_pages()
        logits = self._model.forward(StepBatch.build(chunks), self.cache)
        for sequence, count in shares:
            sequence.advance(count)
        return list(torch.split(logits, [count for _, count in shares]))

    def run(self, token_ids: Sequence[int], chunks: Sequence[int]) -> Tensor:
        """All logits of one sequence that has the model to itself. [tokens, vocab]"""
        assert sum(chunks) == len(token_ids)
        sequence = self.begin(token_ids)
        logits = torch.cat([self.step([(sequence, count)])[0] for count in chunks])
        sequence.pages.release()
        return logits

    def _poison_free_pages(self) -> None:
        free = torch.tensor(self.pool.blank_pages, dtype=torch.int64)
        self.cache.keys[:, free] = torch.nan
        self.cache.values[:, free] = torch.nan


class RunningSequence:
    """A sequence whose tokens are known beforehand, and how far it has come."""

    def __init__(self, token_ids: Sequence[int], pages: SequencePages) -> None:
        self.token_ids = token_ids
        self.pages = pages
        self.position = 0

    def next_chunk(self, count: int) -> SequenceChunk:
        stop = self.position + count
        self.pages.make_room(stop)
        return SequenceChunk(
            self.token_ids[self.position : stop], self.position, self.pages, LogitsWanted.ALL
        )

    def advance(self, count: int) -> None:
        self.position += count
        self.pages.release_behind(self.position)


def cut(length: int, size: int) -> list[int]:
    """A prefill in chunks of `size`, the last one shorter."""
    return [min(size, length - start) for start in range(0, length, size)]
