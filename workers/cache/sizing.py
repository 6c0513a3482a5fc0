"""How many pages the cache gets: what memory is left when the weights are there, or what the operator says.

A GPU is asked for its free memory; on a CPU the system is, and the limit of the container. Part of it is left
to the step itself: activations, logits and the sampler's temporaries. Not here: the pages (model.kv_cache).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from model.config import ModelConfig
from protos.errors import ConfigError
from workers.cache.cached_pages import CacheLayout

_CPU_SHARE, _GPU_SHARE = 0.5, 0.9
"""How much of what is free may be taken; a laptop's memory has other users, a GPU's has none."""

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_COPIES_OF_ACTIVATIONS = (
    12  # hidden states, queries, expert rows and their like, all alive at once, in float32
)
_ATTENTION_TILE = 3 * 256 * 2048  # logits, mask and shares of a query head's tile (kernels.attention)
_BYTES_OF_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class StepSize:
    """The largest step that there will be."""

    num_tokens: int
    num_logits: int

    def num_bytes(self, config: ModelConfig) -> int:
        """What it needs beside weights and cache."""
        widest = max(
            config.query_width, config.hidden_size, config.experts_per_token * config.intermediate_size
        )
        activations = self.num_tokens * widest * _COPIES_OF_ACTIVATIONS
        attention = _ATTENTION_TILE * config.num_query_heads
        logits = 2 * self.num_logits * config.vocab_size  # as they come, and as the sampler changes them
        return (activations + attention + logits) * _BYTES_OF_FLOAT32


def bytes_of_page(
    config: ModelConfig, page_size: int, dtype: torch.dtype, layers: Sequence[int] | None = None
) -> int:
    """Keys and values of one page, for all layers or for those of a stage."""
    kinds = [config.layer_kinds[layer] for layer in layers or range(config.num_layers)]
    num_places = max(kinds.count(kind) for kind in set(kinds))
    return 2 * num_places * page_size * config.kv_width * dtype.itemsize


def num_pages_for(
    config: ModelConfig,
    layout: CacheLayout,
    *,
    free_bytes: int,
    bytes_per_page: int,
    step: StepSize,
    max_running: int,
    share: float,
) -> int:
    """As many pages as fit, and no more than all sequences at their longest could fill."""
    room = int(free_bytes * share) - step.num_bytes(config)
    longest = config.max_positions
    wanted = max_running * (layout.num_pages(longest) + layout.most_sliding_pages(longest, step.num_tokens))
    num_pages = min(room // bytes_per_page, wanted)
    least = layout.num_pages(1) + layout.most_sliding_pages(layout.sliding_window, step.num_tokens)
    if num_pages < least:
        raise ConfigError(
            f"{free_bytes / 1e9:.2f} GB of memory are there for cache and steps; a step takes "
            f"{step.num_bytes(config) / 1e9:.2f} GB and the smallest cache "
            f"{least * bytes_per_page / 1e9:.2f} GB of the {share:.0%} that may be used. Give more memory, "
            f"or lower tokens_per_step ({step.num_tokens}) or max_running ({max_running})"
        )
    return num_pages


def share_of(device: torch.device) -> float:
    return _GPU_SHARE if device.type == "cuda" else _CPU_SHARE


def free_bytes(device: torch.device) -> int:
    """What this process could still take."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free_host_bytes()


def free_host_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """MemAvailable, or what the container's limit leaves, whichever is less."""
    found = [_available(meminfo), _left_in_cgroup(cgroup)]
    known = [value for value in found if value is not None]
    if not known:
        raise ConfigError(
            f"neither {meminfo} nor {cgroup} says how much memory is free; say how large the cache shall be"
        )
    return min(known)


def _available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kilobytes is None else int(kilobytes) * 1024


def _left_in_cgroup(cgroup: Path) -> int | None:
    """Version 2: memory.max and memory.current, of which the page cache could be dropped."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if not limit.isdigit():
        return None
    return max(0, int(limit) - used + int(statistics.get("inactive_file", 0)))
