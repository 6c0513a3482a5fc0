"""Where the parts run: a GPU, or a CPU that plays one. Sizes, dtype, clock and limits come from here.

Not here: what is measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor

from model.config import GPT_OSS_20B, GPT_OSS_120B, LayerKind, ModelConfig
from model.decode_graphs import GpuRecorder, Recorder

FLUSH_BYTES = 256 << 20  # more than any second-level cache
NUM_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Capped:
    """A model, and the memory that it may have."""

    name: str
    config: ModelConfig
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the parts go through."""

    models: tuple[Capped, ...]
    batches: tuple[int, ...]
    contexts: tuple[int, ...]
    prefills: tuple[int, ...]
    prefill_chunk: int
    copy_bytes: int
    num_steps: int  # of a decode, timed together


class Machine(Protocol):
    """A GPU, or what stands in for it."""

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def error_limit(self) -> float:
        """Of ‖Δ‖ / ‖reference‖: for bfloat16, results rounded to 8 bits, and shares of attention too."""
        ...

    @property
    def sizes(self) -> Sizes: ...

    @property
    def decode_goal(self) -> float | None:
        """Of a copy's bandwidth, for the experts at the batches of decode, where they only read."""
        ...

    @property
    def recorder(self) -> Recorder: ...

    def seconds(self, work: Callable[[], object]) -> float:
        """Of one run that finds nothing in a cache, on the device alone: launches are not counted."""
        ...

    def limit_memory(self, num_bytes: int) -> None:
        """What is asked for beyond fails, as on a card of that size."""
        ...


class GpuMachine:
    """The first GPU that torch sees."""

    device = torch.device("cuda")
    dtype = torch.bfloat16
    error_limit = 5e-3
    decode_goal = 0.7
    sizes = Sizes(
        models=(
            Capped("20b in 16 GB", GPT_OSS_20B, 16 * 10**9),
            Capped("120b in 80 GB", GPT_OSS_120B, 80 * 10**9),
        ),
        batches=(1, 8, 64, 256),
        contexts=(1024, 8192),
        prefills=(2048, 8192),
        prefill_chunk=2048,
        copy_bytes=1 << 30,
        num_steps=10,
    )

    def __init__(self) -> None:
        self.recorder = GpuRecorder()
        self._flush = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device=self.device)

    def seconds(self, work: Callable[[], object]) -> float:
        work()  # compiles
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            held = work()
        times = [self._milliseconds(graph.replay) for _ in range(NUM_ROUNDS + 1)][1:]
        del held
        return median(times) / 1e3

    def limit_memory(self, num_bytes: int) -> None:
        total = torch.cuda.get_device_properties(self.device).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(min(1.0, num_bytes / total), self.device)

    def _milliseconds(self, play: Callable[[], None]) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        self._flush.zero_()
        begin.record()
        play()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end))


class DryMachine:
    """This CPU, with tiny sizes: shows that every part runs to its end and computes the right thing."""

    device = torch.device("cpu")
    dtype = torch.float32
    error_limit = 1e-5
    decode_goal = None
    sizes = Sizes(
        models=(
            Capped(
                "tiny",
                replace(
                    GPT_OSS_20B,
                    vocab_size=160,
                    hidden_size=64,
                    intermediate_size=96,
                    head_dim=16,
                    num_query_heads=4,
                    num_kv_heads=2,
                    num_experts=6,
                    layer_kinds=(LayerKind.SLIDING, LayerKind.FULL),
                    max_positions=512,
                ),
                2 * 10**9,
            ),
        ),
        batches=(1, 3),
        contexts=(40,),
        prefills=(24,),
        prefill_chunk=16,
        copy_bytes=1 << 20,
        num_steps=1,
    )

    @staticmethod
    def recorder(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        step()
        return step

    def seconds(self, work: Callable[[], object]) -> float:
        begin = perf_counter()
        work()
        return perf_counter() - begin

    def limit_memory(self, num_bytes: int) -> None:
        """A CPU's memory is not limited."""
