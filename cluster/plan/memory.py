"""What each kind of process takes of its device's memory, in bytes.

Not here: which process is where (`assignment`), and whether it all fits (`lay_out`). The cache is reckoned as
the workers themselves will (`workers.cache.page_budget`). Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.plan.footprint import Footprint
from cluster.plan.hardware import Device
from cluster.plan.wanted import Wanted
from model.config import ModelConfig
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_budget import (
    CPU_SHARE,
    GPU_SHARE,
    StepSize,
    bytes_of_page,
    least_pages,
    num_pages_for,
)

_GPU_PROCESS_BYTES = 1_000_000_000
"""The CUDA context, code, and what the allocator cannot give back."""

_CPU_PROCESS_BYTES = 700_000_000
"""Python with torch."""

_BYTES_OF_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class Memory:
    """`value_bytes` is the size of an activation, a key and a value, `dense_bytes` of a dense weight."""

    config: ModelConfig
    wanted: Wanted
    value_bytes: int
    dense_bytes: int

    @property
    def footprint(self) -> Footprint:
        return Footprint(self.config, self.dense_bytes)

    @property
    def cache_layout(self) -> CacheLayout:
        engine = self.wanted.engine
        return CacheLayout(engine.page_size, self.config.sliding_window, engine.checkpoint_interval)

    def attention_weights(self, layers: Sequence[int], *, is_first: bool) -> int:
        """With all experts of the model, where there are no expert workers."""
        experts = 0 if self.wanted.experts else self.footprint.num_pairs * self.footprint.expert
        return self.footprint.attention(layers, ends=is_first) + experts

    def attention_work(self, device: Device, *, is_first: bool) -> int:
        return self._step(is_first).num_bytes(self.config) + process_bytes(device)

    def expert_work(self, device: Device) -> int:
        """The rows of the largest step that come from every attention worker, and what becomes of them."""
        config, engine = self.config, self.wanted.engine
        num_rows = self.wanted.attention * engine.tokens_per_step * config.experts_per_token
        widths = 2 * config.hidden_size + 3 * config.intermediate_size
        return num_rows * widths * _BYTES_OF_FLOAT32 // self.wanted.experts + process_bytes(device)

    def page_bytes(self, layers: Sequence[int]) -> int:
        return bytes_of_page(self.config, self.wanted.engine.page_size, self.value_bytes, layers)

    def least_beside_weights(self, layers: Sequence[int], device: Device, *, is_first: bool) -> int:
        """What a worker cannot start without: itself, a step, the smallest cache or the one it is given."""
        given, step = self.wanted.cache_bytes, self._step(is_first)
        if given is not None:
            return process_bytes(device) + given + step.num_bytes(self.config)
        pages = least_pages(self.cache_layout, step) * self.page_bytes(layers)
        return process_bytes(device) + int((pages + step.num_bytes(self.config)) / _share(device)) + 1

    def num_pages(self, free_bytes: int, layers: Sequence[int], device: Device, *, is_first: bool) -> int:
        """`free_bytes` are those beside weights and processes; a step takes its part of them."""
        given, step = self.wanted.cache_bytes, self._step(is_first)
        return num_pages_for(
            self.config,
            self.cache_layout,
            free_bytes=free_bytes if given is None else given + step.num_bytes(self.config),
            bytes_per_page=self.page_bytes(layers),
            step=step,
            max_running=self.wanted.engine.max_running,
            share=_share(device) if given is None else 1.0,
        )

    def _step(self, is_first: bool) -> StepSize:
        engine = self.wanted.engine
        return StepSize(engine.tokens_per_step, engine.most_logits if is_first else 0)


def process_bytes(device: Device) -> int:
    return _GPU_PROCESS_BYTES if device.is_gpu else _CPU_PROCESS_BYTES


def _share(device: Device) -> float:
    return GPU_SHARE if device.is_gpu else CPU_SHARE
