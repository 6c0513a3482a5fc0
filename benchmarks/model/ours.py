"""We as a contender: the engine's `StepModel`, a whole step of it, sampling included.

What the engine adds on top of that is in `benchmarks.engine`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.model.variants import VARIANTS, Variant
from benchmarks.model.workload import Room
from cluster.environment import cpu_kernel_settings
from model.local_model import LocalModel
from model.page_pool import PagePool
from model.pages import SequencePages
from model.sampling.parameters import SamplingParameters
from model.sampling.sampler import Sampler
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from workers.engine.local_engine import LocalEngineOptions, load_model
from workers.engine.local_step_model import LocalStepModel
from workers.engine.step_work import FREE, Draw, Work

PAGE_SIZE = 16
GREEDY = SamplingParameters(temperature=0.0)


def load_ours(folder: Path, room: Room) -> Mapping[str, "Ours"]:
    """Every variant."""
    settings = cpu_kernel_settings()
    model = load_model(folder, LocalEngineOptions(cpu_kernels=settings))

    def run_as(variant: Variant) -> Ours:
        cpu_kernels = variant.settings(settings)
        return Ours(LocalModel.of(model.config, model.weights, cpu_kernels=cpu_kernels), room)

    return {variant.name: run_as(variant) for variant in VARIANTS}


class Ours:
    """A `Contender`."""

    def __init__(self, model: LocalModel, room: Room) -> None:
        self._model = model
        self._num_sequences = room.num_sequences
        # Both tables of each sequence, none of whose pages is given back.
        self._num_pages = 2 * room.num_sequences * -(-room.num_positions // PAGE_SIZE)
        self._cache = model.allocate_cache(self._num_pages, PAGE_SIZE)
        self._step_model = LocalStepModel(model.forward_pass, self._cache, Sampler(model.config.vocab_size))
        self._sequences: list[_Sequence] = []

    def begin(self) -> None:
        for choice_key in range(len(self._sequences)):
            self._step_model.forget(choice_key)
        pool = PagePool(self._num_pages)
        window = self._model.config.sliding_window
        self._sequences = [
            _Sequence(SequencePages(pool, PAGE_SIZE, window)) for _ in range(self._num_sequences)
        ]

    def step(self, shares: Sequence[Sequence[int]]) -> Sequence[int]:
        sequences = self._sequences[: len(shares)]
        works = [
            sequence.work(number, share)
            for number, (sequence, share) in enumerate(zip(sequences, shares, strict=True))
        ]
        return [result.token_ids[0] for result in self._step_model.run(works)]

    @torch.inference_mode()
    def logits(self, token_ids: Sequence[int]) -> Tensor:
        self.begin()
        pages = self._sequences[0].pages
        pages.make_room(len(token_ids))
        batch = StepBatch.build([SequenceChunk(token_ids, 0, pages, LogitsWanted.ALL)])
        return self._model.forward_pass.forward(batch, self._cache)


class _Sequence:
    """Its pages, and every token so far."""

    def __init__(self, pages: SequencePages) -> None:
        self.pages = pages
        self.history: list[int] = []

    def work(self, number: int, share: Sequence[int]) -> Work:
        first_position = len(self.history)
        self.history += share
        self.pages.make_room(len(self.history))
        draw = Draw(number, 0, GREEDY, self.history, num_prompt=len(self.history), rules=FREE)
        return Work(share, (), first_position, self.pages, draw)
