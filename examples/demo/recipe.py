"""What the demo model is and how it is trained: every number that decides its weights."""

from dataclasses import dataclass

from model.config import ModelConfig, alternating_layers

DEMO_CONFIG = ModelConfig(
    vocab_size=2048,
    hidden_size=160,
    intermediate_size=160,
    head_dim=32,
    num_query_heads=8,
    num_kv_heads=2,
    num_experts=16,
    experts_per_token=4,
    layer_kinds=alternating_layers(6),
    sliding_window=64,
    max_positions=4096,
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """`matrix_rate` is Muon's, for the matrices inside; `other_rate` AdamW's, for the rest."""

    config: ModelConfig
    seed: int = 20
    num_steps: int = 1000
    conversations_per_step: int = 48
    groups_per_step: int = 5  # of conversations of about equal length
    vocabulary_conversations: int = 20_000
    matrix_rate: float = 0.02
    other_rate: float = 0.004
    warm_up_steps: int = 50
    decay_share: float = 0.7  # of the steps, the last ones, in which rates fall to zero
    momentum: float = 0.95
    weight_decay: float = 0.02
    balance: float = 0.01  # of the loss that spreads tokens over experts

    def rate(self, step: int) -> float:
        """By which both rates are multiplied."""
        rising = (step + 1) / self.warm_up_steps
        falling = (self.num_steps - step) / (self.num_steps * self.decay_share)
        return min(1.0, rising, falling)


DEMO_RECIPE = Recipe(DEMO_CONFIG)
