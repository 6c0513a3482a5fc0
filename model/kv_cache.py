"""The memory behind the page tables: keys and values of every page, for the layers that a process runs.

Each page has one place per layer pair. Place i serves the i-th full layer when the page stands in a full
table, and the i-th sliding layer when it stands in a sliding one, so one pool of pages serves both kinds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.paging import PagedKeysValues
from model.config import LayerKind, ModelConfig
from model.host_memory import zero_tensor


@dataclass(frozen=True, slots=True)
class KvCache:
    """Allocated once; the pool in `model.page_pool` says whose each page is."""

    keys: Tensor  # [places, pages, page_size, kv_heads, head_dim]
    values: Tensor  # [places, pages, page_size, kv_heads, head_dim]
    layer_to_place: Mapping[int, int]

    @classmethod
    def allocate(
        cls,
        config: ModelConfig,
        *,
        num_pages: int,
        page_size: int,
        dtype: torch.dtype,
        device: torch.device | str = "cpu",
        layers: Sequence[int] | None = None,
    ) -> "KvCache":
        """For all layers, or for those of one stage."""
        layer_to_place = assign_places(config, range(config.num_layers) if layers is None else layers)
        num_places = max(layer_to_place.values()) + 1
        shape = (num_places, num_pages, page_size, config.num_kv_heads, config.head_dim)
        return cls(
            keys=zero_tensor(shape, dtype, device),
            values=zero_tensor(shape, dtype, device),
            layer_to_place=layer_to_place,
        )

    def of_layer(self, layer: int) -> PagedKeysValues:
        place = self.layer_to_place[layer]
        return PagedKeysValues(keys=self.keys[place], values=self.values[place])

    @property
    def bytes_per_page(self) -> int:
        return 2 * self.keys[:, 0].numel() * self.keys.element_size()


def assign_places(config: ModelConfig, layers: Sequence[int]) -> dict[int, int]:
    """The i-th layer of each kind gets place i."""
    used = dict.fromkeys(LayerKind, 0)
    layer_to_place: dict[int, int] = {}
    for layer in layers:
        kind = config.layer_kinds[layer]
        layer_to_place[layer] = used[kind]
        used[kind] += 1
    return layer_to_place
