"""Where to cut a model's layers into stages: where the cache, which is as long in all of them, is longest.

The first stage holds the model's two ends as well, so it gets fewer layers. Not here: what a stage runs on
(`lay_out`). Pure.
"""

from collections.abc import Callable, Sequence

from model.config import ModelConfig
from protos.errors import ConfigError


def cut_layers(
    config: ModelConfig, num_stages: int, tokens_of: Callable[[int, Sequence[int]], float]
) -> tuple[tuple[int, ...], ...]:
    """`tokens_of(stage, layers)`: how many tokens a stage of these layers has room for."""
    if num_stages > config.num_layers:
        raise ConfigError(
            f"{num_stages} stages are asked for, and the model has {config.num_layers} layers; each stage "
            f"needs one at least"
        )
    cuts = [
        _cut(config.num_layers, num_stages, num_first)
        for num_first in range(1, config.num_layers - num_stages + 2)
    ]
    if num_stages == 1:
        return cuts[-1]

    def shortest(cut: Sequence[Sequence[int]]) -> tuple[float, int]:
        return min(tokens_of(stage, layers) for stage, layers in enumerate(cut)), len(cut[0])

    return max(cuts, key=shortest)


def even_cut(config: ModelConfig, num_stages: int) -> tuple[tuple[int, ...], ...]:
    """Where nobody knows what there is room for: as many layers in each, so that caches are alike."""
    return cut_layers(config, num_stages, lambda _, layers: -len(layers))


def _cut(num_layers: int, num_stages: int, num_first: int) -> tuple[tuple[int, ...], ...]:
    """So many layers in the first stage, the rest in even parts."""
    sizes = [num_first]
    left = num_layers - num_first
    for num_behind in range(num_stages - 1, 0, -1):
        sizes.append(-(-left // num_behind))
        left -= sizes[-1]
    ends = [sum(sizes[: index + 1]) for index in range(num_stages)]
    return tuple(tuple(range(end - size, end)) for size, end in zip(sizes, ends, strict=True))
