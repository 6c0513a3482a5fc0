"""What a step takes, what a page takes, and so how many pages fit, and how long a sequence can be.

Not here: how much memory is free (`workers.cache.sizing`), the pages (`model.kv_cache`). The engine and its
stages size their caches with this, and `cluster.plan` foretells it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from model.config import ModelConfig
from protos.errors import ConfigError
from workers.cache.cached_pages import CacheLayout

CPU_SHARE, GPU_SHARE = 0.5, 0.9
"""How much of what is free may be taken; a laptop's memory has other users, a GPU's has none."""

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
    config: ModelConfig, page_size: int, bytes_per_value: int, layers: Sequence[int] | None = None
) -> int:
    """Keys and values of one page, for all layers or for those of a stage."""
    kinds = [config.layer_kinds[layer] for layer in layers or range(config.num_layers)]
    num_places = max(kinds.count(kind) for kind in set(kinds))
    return 2 * num_places * page_size * config.kv_width * bytes_per_value


def least_pages(layout: CacheLayout, step: StepSize) -> int:
    """The smallest cache: of one sequence that has just begun."""
    return layout.num_pages(1) + layout.most_sliding_pages(layout.sliding_window, step.num_tokens)


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
    least = least_pages(layout, step)
    if num_pages < least:
        raise ConfigError(
            f"{free_bytes / 1e9:.2f} GB of memory are there for cache and steps; a step takes "
            f"{step.num_bytes(config) / 1e9:.2f} GB and the smallest cache "
            f"{least * bytes_per_page / 1e9:.2f} GB of the {share:.0%} that may be used. Give more memory, "
            f"or lower tokens_per_step ({step.num_tokens}) or max_running ({max_running})"
        )
    return num_pages


def context_limit(max_positions: int, num_pages: int, layout: CacheLayout, tokens_per_step: int) -> int:
    """The longest sequence, prompt and output: as the model has positions and the whole cache has pages."""

    def fits(num_positions: int) -> bool:
        sliding = layout.most_sliding_pages(num_positions, tokens_per_step)
        return layout.num_pages(num_positions) + sliding <= num_pages

    fitting, beyond = 0, max_positions + 1
    while beyond - fitting > 1:
        middle = (fitting + beyond) // 2
        fitting, beyond = (middle, beyond) if fits(middle) else (fitting, middle)
    return fitting
