"""Decode steps as recordings: on a GPU a whole step is one launch, for each size of batch and of page table.

A step of decodes has a few hundred kernels, and launching them one by one takes a CPU longer than running
them takes a GPU. So a step is recorded once for each `Bucket`, on tensors that stay where they are, and
played from then on. That asks of the forward pass: no tensor whose shape depends on what another one says,
and nothing that waits for the GPU; its routing, plan and attention go by numbers that only the GPU knows.

A step that is smaller than its bucket is filled up with sequences of one token that live on the cache's spare
page, which belongs to nobody. A step that is not all decodes runs as it is. Single mode only: experts that
are elsewhere cannot be recorded. Called by the engine's step in place of the bare forward pass.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from kernels.attention import AttentionQueries
from kernels.paging import PageTable
from model.kv_cache import KvCache
from model.step_batch import LayerView, StepBatch

EXACT_SIZES = 4
"""Sequences up to this many have a recording for each number, and from there on for each power of two."""

WIDTH_GROWTH = 4
FIRST_WIDTH = 64
"""Pages of a table: 64, 256, 1024, …, so that a sequence meets few recordings while it grows. Attention's
programs behind the end of a sequence return at once."""


class Forward(Protocol):
    """What `model.gpt_oss.GptOss.forward` is."""

    def __call__(self, batch: StepBatch, cache: KvCache) -> Tensor: ...


class Recorder(Protocol):
    """Runs a step once and gives what runs it again, on the same tensors."""

    def __call__(self, step: Callable[[], Tensor]) -> Callable[[], Tensor]: ...


@dataclass(frozen=True, slots=True)
class Bucket:
    """The sizes that one recording serves."""

    num_sequences: int
    full_width: int  # pages in a row of the full table
    sliding_width: int

    @classmethod
    def of(cls, batch: StepBatch) -> "Bucket":
        """The least that holds this step."""
        return cls(
            _next_size(len(batch.token_ids)),
            _next_width(batch.full.queries.table.pages.shape[1]),
            _next_width(batch.sliding.queries.table.pages.shape[1]),
        )


class DecodeGraphs:
    """A forward pass over one cache. Recordings are made when first needed, and kept."""

    def __init__(self, forward: Forward, recorder: Recorder, most_sequences: int, spare_page: int) -> None:
        self._forward = forward
        self._recorder = recorder
        self._most_sequences = most_sequences
        self._spare_page = spare_page
        self._bucket_to_recording: dict[Bucket, _Recording] = {}

    def forward(self, batch: StepBatch, cache: KvCache) -> Tensor:
        """-> logits [outputs, vocab], which the next step may overwrite."""
        num_sequences = len(batch.full.queries.first_positions)
        if not _is_all_decodes(batch) or num_sequences > self._most_sequences:
            return self._forward(batch, cache)
        bucket = Bucket.of(batch)
        recording = self._bucket_to_recording.get(bucket)
        if recording is None:
            recording = self._record(bucket, cache)
            self._bucket_to_recording[bucket] = recording
        return recording.play(batch)[:num_sequences]

    def _record(self, bucket: Bucket, cache: KvCache) -> "_Recording":
        idle = _idle_batch(bucket, self._spare_page, cache.keys.shape[2], cache.keys.device)
        return _Recording(idle, self._recorder(lambda: self._forward(idle, cache)))


class _Recording:
    """One bucket's tensors, and the step that was recorded on them."""

    def __init__(self, batch: StepBatch, play: Callable[[], Tensor]) -> None:
        self._batch = batch
        self._idle = deepcopy(batch)
        self._play = play

    def play(self, batch: StepBatch) -> Tensor:
        for mine, theirs, idle in zip(*map(_numbers, (self._batch, batch, self._idle)), strict=True):
            mine[len(theirs) :] = idle[len(theirs) :]
            mine[tuple(map(slice, theirs.shape))] = theirs
        return self._play()


class GpuRecorder:
    """The `Recorder` of a GPU. Recordings share memory: one at a time is played, and its result read."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """The first run, not recorded, compiles kernels and warms up libraries."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            result = step()

        def play() -> Tensor:
            graph.replay()
            return result

        return play


def _is_all_decodes(batch: StepBatch) -> bool:
    """One token a sequence, and each wants its logits."""
    num_tokens = len(batch.token_ids)
    return num_tokens == batch.full.queries.num_single == len(batch.logit_rows)


def _idle_batch(bucket: Bucket, spare_page: int, page_size: int, device: torch.device) -> StepBatch:
    """Every sequence has one token, at position 0, on the spare page."""
    count = bucket.num_sequences

    def whole(value: int, *shape: int) -> Tensor:
        return torch.full(shape, value, dtype=torch.int64, device=device)

    starts, positions = torch.arange(count + 1, device=device), whole(0, count)

    def view(width: int) -> LayerView:
        table = PageTable(pages=whole(spare_page, count, width), first_page=whole(0, count))
        queries = AttentionQueries(starts, positions, table, num_single=count)
        return LayerView(slots=whole(spare_page * page_size, count), queries=queries)

    return StepBatch(
        token_ids=whole(0, count),
        positions=positions,
        full=view(bucket.full_width),
        sliding=view(bucket.sliding_width),
        logit_rows=torch.arange(count, device=device),
    )


def _numbers(batch: StepBatch) -> list[Tensor]:
    """What differs from one step of decodes to the next; first_positions are the positions themselves."""
    views = (batch.full, batch.sliding)
    tables = [view.queries.table for view in views]
    return [
        batch.token_ids,
        batch.positions,
        *(view.slots for view in views),
        *(table.first_page for table in tables),
        *(table.pages for table in tables),
    ]


def _next_size(count: int) -> int:
    """Few idle sequences beside few: each reads experts of its own."""
    return count if count <= EXACT_SIZES else 1 << (count - 1).bit_length()


def _next_width(width: int) -> int:
    found = FIRST_WIDTH
    while found < width:
        found *= WIDTH_GROWTH
    return found
