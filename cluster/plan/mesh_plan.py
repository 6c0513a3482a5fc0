"""The plan of a mesh: every shard, where it is, and what it takes of its device.

Not here: how it is made (`lay_out`), how fast it is (`roofline`), how it is shown (`report`).
"""

from dataclasses import dataclass
from enum import StrEnum

from cluster.plan.hardware import Hardware, Place
from cluster.plan.wanted import Wanted
from model.config import ModelConfig


class ShardKind(StrEnum):
    """What a process is. A whole one has attention and all experts."""

    WHOLE = "whole"
    ATTENTION = "attention"
    STAGE = "stage"
    EXPERTS = "experts"


@dataclass(frozen=True, slots=True)
class Shard:
    """One process."""

    name: str
    kind: ShardKind
    place: Place
    layers: tuple[int, ...]  # whose attention is here
    num_pairs: int  # experts of any layer that are here
    weight_bytes: int
    work_bytes: int  # activations and logits of the largest step, and what the process itself takes
    cache_bytes: int = 0
    cache_tokens: int = 0

    @property
    def num_bytes(self) -> int:
        return self.weight_bytes + self.work_bytes + self.cache_bytes


@dataclass(frozen=True, slots=True)
class MeshPlan:
    """`stages` are the layers of each; one stage is no cut."""

    config: ModelConfig
    hardware: Hardware
    wanted: Wanted
    value_bytes: int  # of an activation, a key and a value
    dense_bytes: int  # of a dense weight
    stages: tuple[tuple[int, ...], ...]
    shards: tuple[Shard, ...]
    context_limit: int  # tokens of the longest sequence

    @property
    def experts(self) -> tuple[Shard, ...]:
        return tuple(shard for shard in self.shards if shard.kind is ShardKind.EXPERTS)

    @property
    def attention(self) -> tuple[Shard, ...]:
        return tuple(shard for shard in self.shards if shard.kind is not ShardKind.EXPERTS)

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(dict.fromkeys(shard.place for shard in self.shards))

    @property
    def cache_tokens(self) -> int:
        """Of all attention workers together; the stages of one keep the same tokens."""
        return sum(shard.cache_tokens for shard in self.attention if shard.kind is not ShardKind.STAGE)

    def free_bytes(self, place: Place) -> int:
        """What no shard takes of a device."""
        return place.device.memory_bytes - sum(
            shard.num_bytes for shard in self.shards if shard.place == place
        )
