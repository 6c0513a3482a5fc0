"""How many experts and shards a step visits, and what that puts on the wire, if gates choose evenly.

Not here: time (`roofline`). Skewed gates visit fewer experts; `router.balance` takes care of the load. Pure.
"""

from dataclasses import dataclass
from math import comb

from model.config import ModelConfig

ROW_VALUE_BYTES = 2
"""Rows travel in bfloat16."""


def distinct_shards(config: ModelConfig, num_shards: int) -> float:
    """How many of so many even shards a token's experts are asked of, in one layer.

    Replicas do not change it: each step asks one of them, whichever has the least to do.
    """
    elsewhere = config.num_experts - config.num_experts // num_shards
    missed = comb(elsewhere, config.experts_per_token) / comb(config.num_experts, config.experts_per_token)
    return num_shards * (1 - missed)


def activated_experts(config: ModelConfig, num_tokens: float) -> float:
    """How many of a layer's experts any of so many tokens visits."""
    missed: float = (1 - config.experts_per_token / config.num_experts) ** num_tokens
    return config.num_experts * (1 - missed)


@dataclass(frozen=True, slots=True)
class TokenTraffic:
    """Bytes that one token puts on the wire in one layer, frames' headers aside."""

    shards: float  # that are visited
    dispatch: float
    exact_reply: float  # a row for each of its experts
    reduced_reply: float  # a row for each shard

    @classmethod
    def of(cls, config: ModelConfig, num_shards: int, value_bytes: int = ROW_VALUE_BYTES) -> "TokenTraffic":
        row = config.hidden_size * value_bytes
        shards = distinct_shards(config, num_shards)
        return cls(shards, shards * row, config.experts_per_token * row, shards * row)

    @property
    def exact(self) -> float:
        return self.dispatch + self.exact_reply
