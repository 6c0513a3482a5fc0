"""Bytes of weights, for any slice of a model: the same that the checkpoint's reader would count.

Not here: the shapes (`model.config.weight_shapes`), the cache (`workers.cache.page_budget`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from model.config import ModelConfig
from model.config.weight_shapes import ATTENTION_WEIGHTS, END_WEIGHTS, EXPERT_WEIGHTS, bytes_of

CHECKPOINT_VALUE_BYTES = 2
"""Dense weights are bfloat16 in the file and on a CPU, and what the activations are on a GPU."""


@dataclass(frozen=True)
class Footprint:
    """`value_bytes` is the size of a dense weight in memory: 2 in bfloat16, 4 in float32."""

    config: ModelConfig
    value_bytes: int = CHECKPOINT_VALUE_BYTES

    @cached_property
    def expert(self) -> int:
        """One expert of one layer; its biases stay bfloat16, all else is packed."""
        return sum(bytes_of(self.config, name) for name in EXPERT_WEIGHTS) // self.config.num_experts

    @cached_property
    def attention_layer(self) -> int:
        """One layer but for its experts."""
        return self._dense(sum(bytes_of(self.config, name) for name in ATTENTION_WEIGHTS))

    @cached_property
    def ends(self) -> int:
        """Embedding, final norm and unembedding."""
        return self._dense(sum(bytes_of(self.config, name) for name in END_WEIGHTS))

    @property
    def unembedding(self) -> int:
        """What every step reads of the ends."""
        return self.config.vocab_size * self.config.hidden_size * self.value_bytes

    @property
    def num_pairs(self) -> int:
        """All (layer, expert) pairs."""
        return self.config.num_layers * self.config.num_experts

    def attention(self, layers: Sequence[int], *, ends: bool) -> int:
        return len(layers) * self.attention_layer + ends * self.ends

    @property
    def whole(self) -> int:
        return self.attention(range(self.config.num_layers), ends=True) + self.num_pairs * self.expert

    def _dense(self, num_bytes: int) -> int:
        return num_bytes // CHECKPOINT_VALUE_BYTES * self.value_bytes
