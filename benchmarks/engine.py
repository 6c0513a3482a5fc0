"""What the engine adds to its model: `python -m benchmarks.engine [--quick] --json F`.

Host time: a null model, so that what is left is the engine's own work, per step. Throughput: the same model
under the engine, 16 requests at once, and bare, a loop of forward passes and argmax over as many sequences,
in turns. Reuse: how much of the second turn of a conversation is found in the cache.
"""

import queue
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks.interleaving import interleaved_medians
from benchmarks.null_model import null_engine
from benchmarks.report import Row, compared, run
from model.checkpoint import Checkpoint, write_checkpoint
from model.config import GPT_OSS_20B, ModelConfig, alternating_layers
from model.dummy import dummy_weights
from model.local_model import LocalModel
from model.page_pool import PagePool
from model.pages import SequencePages
from model.sampling.parameters import SamplingParameters
from model.step_batch import SequenceChunk, StepBatch
from model.weights import Selection
from workers.engine.engine import Engine
from workers.engine.events import ChoiceDelta, Event, RequestEnded
from workers.engine.local_engine import LocalEngineOptions, local_engine
from workers.engine.request import GenerationRequest
from workers.engine.settings import EngineSettings

GREEDY = SamplingParameters(temperature=0.0)
NUM_REQUESTS, CONTEXT, PAGE_SIZE = 16, 64, 16
FULL_SIZE = replace(GPT_OSS_20B, layer_kinds=alternating_layers(4), max_positions=8192)
QUICK_SIZE = replace(FULL_SIZE, hidden_size=384, intermediate_size=384, num_experts=8, vocab_size=8192)
CACHE_BYTES = 1 << 30


def measure(quick: bool) -> Sequence[Row]:
    rows = [host_time(1, 150.0), host_time(64, 1500.0)]
    size = QUICK_SIZE if quick else FULL_SIZE
    model = random_model(size)
    rows += throughput(model, "16 requests at once", num_tokens=8, num_rounds=2 if quick else 5)
    rows += reuse(model if quick else random_model(QUICK_SIZE))
    return rows


def host_time(num_sequences: int, limit_us: float) -> Row:
    """Median over decode steps at a context of a thousand tokens."""
    settings = EngineSettings(max_running=64)
    core, admission = null_engine(settings, num_pages=64 * 300, clock=time.monotonic)
    for number in range(num_sequences):
        prompt = tuple((number + position) % 250 for position in range(1000))
        request = GenerationRequest(f"{number}", prompt, GREEDY, max_tokens=1500)
        core.add(admission.admit(request), time.monotonic())
    while any(sequence.num_missing > 1 for sequence in core.sequences):
        core.step()
    seconds = []
    for _ in range(1000):
        begin = time.perf_counter()
        core.step()
        seconds.append(time.perf_counter() - begin)
    return compared(
        f"host time a step, {num_sequences} running",
        "us",
        median(seconds) * 1e6,
        peer_name="limit",
        peer=limit_us,
        higher_is_better=False,
        goal=1.0,
    )


def random_model(config: ModelConfig) -> LocalModel:
    with tempfile.TemporaryDirectory(prefix="expertmesh-engine-") as name:
        write_checkpoint(config, dummy_weights(config, seed=1), Path(name))
        weights = Checkpoint.open(Path(name)).load(Selection.whole(config), dtype=torch.float32)
    return LocalModel.of(config, weights, compact=True)


def throughput(model: LocalModel, name: str, *, num_tokens: int, num_rounds: int) -> list[Row]:
    speeds = interleaved_medians(
        {
            "engine": partial(engine_tokens_per_s, model, num_tokens),
            "bare model": partial(bare_tokens_per_s, model, num_tokens),
        },
        num_rounds,
    )
    row = compared(
        name,
        "tokens/s",
        speeds["engine"],
        peer_name="bare model",
        peer=speeds["bare model"],
        higher_is_better=True,
        goal=0.9,
    )
    return [row]


def prompts(model: LocalModel) -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(2)
    size = (NUM_REQUESTS, CONTEXT)
    return [
        tuple(row) for row in torch.randint(0, model.config.vocab_size, size, generator=generator).tolist()
    ]


def engine_tokens_per_s(model: LocalModel, num_tokens: int) -> float:
    """From the moment when all have their first token, so that prefill is over."""
    with RunningEngine(model) as engine:
        for index, prompt in enumerate(prompts(model)):
            engine.submit(
                GenerationRequest(f"{index}", prompt, GREEDY, max_tokens=2 * num_tokens + NUM_REQUESTS)
            )
        counts = dict.fromkeys((f"{index}" for index in range(NUM_REQUESTS)), 0)
        begin, counted = None, 0
        while counted < NUM_REQUESTS * num_tokens:
            deltas = [event for event in engine.next_events() if isinstance(event, ChoiceDelta)]
            for delta in deltas:
                counts[delta.request_id] += len(delta.token_ids)
            if begin is not None:
                counted += sum(len(delta.token_ids) for delta in deltas)
            elif all(counts.values()):
                begin = time.perf_counter()
        assert begin is not None
        return counted / (time.perf_counter() - begin)


class RunningEngine:
    """An engine with its thread, whose events come one step at a time."""

    def __init__(self, model: LocalModel) -> None:
        options = LocalEngineOptions(EngineSettings(max_running=64), cache_bytes=CACHE_BYTES)
        self._events: queue.SimpleQueue[Sequence[Event]] = queue.SimpleQueue()
        self._engine: Engine = local_engine(model, None, options, self._events.put)
        self.submit = self._engine.submit

    def __enter__(self) -> "RunningEngine":
        self._engine.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def next_events(self) -> Sequence[Event]:
        return self._events.get(timeout=600)

    def run(self, request: GenerationRequest) -> tuple[list[int], RequestEnded]:
        """-> the output of the one request, and how it ended."""
        self.submit(request)
        output: list[int] = []
        while True:
            for event in self.next_events():
                if isinstance(event, ChoiceDelta):
                    output += event.token_ids
                elif isinstance(event, RequestEnded):
                    return output, event


def bare_tokens_per_s(model: LocalModel, num_tokens: int) -> float:
    sequences = BareSequences(model, CONTEXT + num_tokens + 1)
    sequences.step(prompts(model))
    begin = time.perf_counter()
    for _ in range(num_tokens):
        sequences.step()
    return NUM_REQUESTS * num_tokens / (time.perf_counter() - begin)


class BareSequences:
    """What one would write without an engine: sixteen sequences in step, the likeliest token each."""

    def __init__(self, model: LocalModel, num_positions: int) -> None:
        num_pages = 2 * NUM_REQUESTS * (num_positions // PAGE_SIZE + 1)
        pool = PagePool(num_pages)
        self._model = model
        self._cache = model.allocate_cache(num_pages, PAGE_SIZE)
        self._pages = [
            SequencePages(pool, PAGE_SIZE, model.config.sliding_window) for _ in range(NUM_REQUESTS)
        ]
        for pages in self._pages:
            pages.make_room(num_positions)
        self._position = 0
        self._next: list[tuple[int, ...]] = []

    def step(self, token_ids: Sequence[tuple[int, ...]] | None = None) -> None:
        chunks = [
            SequenceChunk(tokens, self._position, pages)
            for tokens, pages in zip(token_ids or self._next, self._pages, strict=True)
        ]
        logits = self._model.forward_pass.forward(StepBatch.build(chunks), self._cache)  # [16, vocab]
        self._position += len(chunks[0].token_ids)
        self._next = [(token_id,) for token_id in logits.argmax(dim=1).tolist()]


def reuse(model: LocalModel) -> list[Row]:
    """The first turn has a prompt of 4,096 tokens and 200 of output; the second adds 40."""
    generator = torch.Generator().manual_seed(3)
    prompt = tuple(torch.randint(0, model.config.vocab_size, (4096,), generator=generator).tolist())
    with RunningEngine(model) as engine:
        output, _ = engine.run(GenerationRequest("first", prompt, GREEDY, max_tokens=200))
        histories = {"all kept": (*prompt, *output), "its analysis dropped": (*prompt, *output[150:])}
        rows = []
        for name, history in histories.items():
            second = GenerationRequest(name, (*history, *prompt[:40]), GREEDY, max_tokens=1)
            _, ended = engine.run(second)
            assert ended.error is None
            share = 100 * ended.usage.cached_tokens / ended.usage.prompt_tokens
            rows.append(
                compared(
                    f"second turn of 4k, {name}: found",
                    "%",
                    share,
                    peer_name="least",
                    peer=95.0,
                    higher_is_better=True,
                    goal=1.0,
                )
            )
    return rows


if __name__ == "__main__":
    sys.exit(run("engine", ["torch"], measure))
