"""Whole models, weights invented, under a hard limit of memory: decode by batch and context, and prefill.

A decode step is what the engine plays (`model.decode_graphs`): forward pass and the likeliest token of each
row. Its peer is the time in which a copy would move the bytes that the step must read: dense weights, the
experts that so many tokens visit on average, and the keys and values that they see. What does not fit is
said, not run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import torch

from benchmarks.gpu.invented_weights import invented_model
from benchmarks.gpu.stage import Capped, Machine
from benchmarks.report import Row, compared
from model.config import LayerKind, ModelConfig
from model.decode_graphs import DecodeGraphs
from model.gpt_oss import GptOss
from model.kv_cache import KvCache
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch

PAGE_SIZE = 16
SPARE_BYTES = 1 << 30  # for activations, recordings and libraries
GOALS = {("120b in 80 GB", 1): 0.42, ("120b in 80 GB", 64): 0.50}
"""Of the limit by bytes, at the shortest context."""


@dataclass(frozen=True, slots=True)
class Load:
    """So many sequences, each with so many positions behind it."""

    model: Capped
    num_sequences: int
    context: int

    @property
    def name(self) -> str:
        return f"{self.model.name}, batch {self.num_sequences}, context {self.context}"

    @property
    def num_pages(self) -> int:
        """Of full layers, and of the sliding ones, which keep their window and the page that they write."""
        full = -(-self.context // PAGE_SIZE) + 1
        sliding = min(full, -(-self.model.config.sliding_window // PAGE_SIZE) + 2)
        return self.num_sequences * (full + sliding)


def model_rows(machine: Machine, model: Capped, bandwidth: float) -> Iterator[Row]:
    machine.limit_memory(model.memory_bytes)
    forward_pass = invented_model(model.config, machine)
    weight_bytes = _allocated(machine)
    room = model.memory_bytes - weight_bytes - SPARE_BYTES
    yield Row(f"{model.name}: weights", "GB", weight_bytes / 1e9)
    for context in machine.sizes.contexts:
        for num_sequences in machine.sizes.batches:
            load = Load(model, num_sequences, context)
            needed = _cache_bytes(model.config, load.num_pages, machine)
            if needed > room:
                yield Row(f"{load.name}: does not fit, cache needed", "GB", needed / 1e9)
                continue
            machine.limit_memory(model.memory_bytes)
            yield _decode(machine, forward_pass, load, bandwidth)
    for length in machine.sizes.prefills:
        machine.limit_memory(model.memory_bytes)
        speed = _prefill(machine, forward_pass, model, length)
        yield Row(f"{model.name}, prefill of {length}", "tokens/s", speed)


def _decode(machine: Machine, forward_pass: GptOss, load: Load, bandwidth: float) -> Row:
    cache = _cache(machine, load.model.config, load.num_pages)
    pool = PagePool(load.num_pages)
    graphs = DecodeGraphs(
        forward_pass.forward, machine.recorder, load.num_sequences, spare_page=load.num_pages
    )
    pages = [_pages_at(pool, load) for _ in range(load.num_sequences)]
    tokens = torch.randint(load.model.config.vocab_size, (load.num_sequences,)).tolist()
    chunks = [
        SequenceChunk([token], load.context - 1, each, LogitsWanted.LAST)
        for token, each in zip(tokens, pages, strict=True)
    ]
    batch = StepBatch.build(chunks, machine.device)
    graphs.forward(batch, cache)  # records
    begin = perf_counter()
    for _ in range(machine.sizes.num_steps):
        graphs.forward(batch, cache).argmax(
            dim=1
        ).tolist()  # as a sampler must, the step waits for its tokens
    seconds = (perf_counter() - begin) / machine.sizes.num_steps
    is_short = load.context == machine.sizes.contexts[0]
    return compared(
        load.name,
        "tokens/s",
        load.num_sequences / seconds,
        peer_name="limit by bytes",
        peer=load.num_sequences * bandwidth / step_bytes(load, machine.dtype.itemsize),
        higher_is_better=True,
        goal=GOALS.get((load.model.name, load.num_sequences)) if is_short else None,
    )


def _prefill(machine: Machine, forward_pass: GptOss, model: Capped, length: int) -> float:
    """Tokens a second, in chunks as the engine cuts them; the second of two runs."""
    num_pages = 2 * (-(-length // PAGE_SIZE) + 1)
    cache, seconds = _cache(machine, model.config, num_pages), 0.0
    prompt = torch.randint(model.config.vocab_size, (length,)).tolist()
    for _ in range(2):
        pages = SequencePages(PagePool(num_pages), PAGE_SIZE, model.config.sliding_window)
        begin = perf_counter()
        for start in range(0, length, machine.sizes.prefill_chunk):
            token_ids = prompt[start : start + machine.sizes.prefill_chunk]
            pages.make_room(start + len(token_ids))
            batch = StepBatch.build([SequenceChunk(token_ids, start, pages)], machine.device)
            forward_pass.forward(batch, cache).argmax(dim=1).tolist()
            pages.release_behind(start + len(token_ids))
        seconds = perf_counter() - begin
    return length / seconds


def _pages_at(pool: PagePool, load: Load) -> SequencePages:
    """A sequence that has come so far, as prefill in chunks would leave it."""
    pages = SequencePages(pool, PAGE_SIZE, load.model.config.sliding_window)
    for position in range(PAGE_SIZE, load.context, PAGE_SIZE):
        pages.make_room(position)
        pages.release_behind(position)
    pages.make_room(load.context)
    return pages


def _cache(machine: Machine, config: ModelConfig, num_pages: int) -> KvCache:
    return KvCache.allocate(
        config,
        num_pages=num_pages + 1,
        page_size=PAGE_SIZE,
        dtype=machine.dtype,
        device=machine.device,
    )


def _cache_bytes(config: ModelConfig, num_pages: int, machine: Machine) -> int:
    places = max(_num_layers(config, kind) for kind in LayerKind)
    return (num_pages + 1) * PAGE_SIZE * places * 2 * config.kv_width * machine.dtype.itemsize


def step_bytes(load: Load, itemsize: int) -> float:
    """What a decode step must read."""
    config = load.model.config
    qkv_width = config.query_width + 2 * config.kv_width
    dense = config.hidden_size * (qkv_width + config.query_width + config.num_experts) * config.num_layers
    dense += config.hidden_size * config.vocab_size
    expert = 3 * config.hidden_size * config.intermediate_size * 17 / 32
    unvisited = (1 - config.experts_per_token / config.num_experts) ** load.num_sequences
    visited = config.num_experts * (1 - unvisited) * config.num_layers
    seen = load.context * _num_layers(config, LayerKind.FULL)
    seen += min(load.context, config.sliding_window) * _num_layers(config, LayerKind.SLIDING)
    keys_values = 2 * config.kv_width * seen * load.num_sequences
    return itemsize * (dense + keys_values) + expert * visited


def _num_layers(config: ModelConfig, kind: LayerKind) -> int:
    return config.layer_kinds.count(kind)


def _allocated(machine: Machine) -> int:
    return torch.cuda.memory_allocated(machine.device) if machine.device.type == "cuda" else 0
