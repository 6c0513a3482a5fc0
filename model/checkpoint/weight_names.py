"""Every tensor of a gpt-oss model, with its dtype.

Not here: names and shapes (`model.config.weight_shapes`), what files call them (`layouts`), the tensors
themselves (`model.weights`). The loader, the writer and the dummy weights all walk this list, so that none of
them can forget a tensor.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from model.config import ModelConfig
from model.config.weight_shapes import ATTENTION_WEIGHTS, EXPERT_WEIGHTS, PACKED, WeightName, shape_of


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor of the model. An expert weight means all the layer's experts together."""

    name: WeightName
    layer: int | None  # None at the model's two ends

    def __str__(self) -> str:
        return self.name.value if self.layer is None else f"layer {self.layer} {self.name.value}"

    @property
    def dtype(self) -> torch.dtype:
        return torch.uint8 if self.name in PACKED else torch.bfloat16

    def shape(self, config: ModelConfig) -> tuple[int, ...]:
        return shape_of(config, self.name)


def every_weight(config: ModelConfig) -> Iterator[Weight]:
    """In the order of the forward pass."""
    yield Weight(WeightName.EMBEDDING, None)
    for layer in range(config.num_layers):
        for name in ATTENTION_WEIGHTS + EXPERT_WEIGHTS:
            yield Weight(name, layer)
    yield Weight(WeightName.FINAL_NORM, None)
    yield Weight(WeightName.UNEMBEDDING, None)
