"""What a gpt-oss model is: its sizes and constants, checked once and never changed.

Not here: files. `config_file` reads config.json into these. Every other module of the floor, and the
planner above, takes a `ModelConfig`.
"""

from dataclasses import dataclass
from enum import StrEnum

from protos.errors import ConfigError

MAX_POSITIONS = 1 << 24
"""float32 counts no further one by one, and the rotary angles are products of float32 positions."""

MXFP4_BLOCK = 32
"""Values that share one scale; the input dimension of every expert matrix is a multiple of it."""


class LayerKind(StrEnum):
    """How far a layer's attention looks back. The values are those of config.json."""

    FULL = "full_attention"
    SLIDING = "sliding_attention"


@dataclass(frozen=True, slots=True)
class RopeConfig:
    """Rotary position embedding, stretched by YaRN."""

    theta: float = 150_000.0
    factor: float = 32.0
    original_positions: int = 4096
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = False


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The sizes of one gpt-oss model. The names are ours; both checkpoint layouts are translated to them."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    head_dim: int
    num_query_heads: int
    num_kv_heads: int
    num_experts: int
    experts_per_token: int
    layer_kinds: tuple[LayerKind, ...]
    sliding_window: int = 128
    max_positions: int = 131_072
    rms_norm_eps: float = 1e-5
    swiglu_limit: float = 7.0
    rope: RopeConfig = RopeConfig()

    def __post_init__(self) -> None:
        self._check_positive()
        self._check_divisible("hidden_size", self.hidden_size, MXFP4_BLOCK)
        self._check_divisible("intermediate_size", self.intermediate_size, MXFP4_BLOCK)
        self._check_divisible("head_dim", self.head_dim, 2)
        self._check_divisible("num_query_heads", self.num_query_heads, self.num_kv_heads)
        self._check_limits()
        if self.experts_per_token > self.num_experts:
            raise ConfigError(
                f"experts_per_token is {self.experts_per_token}, but the model has only "
                f"{self.num_experts} experts"
            )

    @property
    def num_layers(self) -> int:
        return len(self.layer_kinds)

    @property
    def query_width(self) -> int:
        """Columns of the query projection: not the hidden size in gpt-oss."""
        return self.num_query_heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.num_kv_heads * self.head_dim

    @property
    def queries_per_kv_head(self) -> int:
        return self.num_query_heads // self.num_kv_heads

    def _check_positive(self) -> None:
        counts = {
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_kv_heads": self.num_kv_heads,
            "num_experts": self.num_experts,
            "experts_per_token": self.experts_per_token,
            "number of layers": self.num_layers,
            "sliding_window": self.sliding_window,
            "max_positions": self.max_positions,
            "rms_norm_eps": self.rms_norm_eps,
            "swiglu_limit": self.swiglu_limit,
            "rope theta": self.rope.theta,
            "rope factor": self.rope.factor,
            "rope original positions": self.rope.original_positions,
            "rope beta_slow": self.rope.beta_slow,
        }
        for name, value in counts.items():
            if value <= 0:
                raise ConfigError(f"{name} is {value}; it must be above zero")

    def _check_limits(self) -> None:
        if self.max_positions > MAX_POSITIONS:
            raise ConfigError(f"max_positions is {self.max_positions}; the most is {MAX_POSITIONS}")
        if self.rope.theta <= 1:
            raise ConfigError(f"rope theta is {self.rope.theta}; it must be above one")
        if self.rope.beta_fast <= self.rope.beta_slow:
            raise ConfigError(
                f"rope beta_fast is {self.rope.beta_fast}; it must be above beta_slow, {self.rope.beta_slow}"
            )

    def _check_divisible(self, name: str, value: int, divisor: int) -> None:
        if value % divisor:
            raise ConfigError(f"{name} is {value}, which is not a multiple of {divisor}")


def alternating_layers(num_layers: int) -> tuple[LayerKind, ...]:
    """Sliding, full, sliding, full, …: the order of every released gpt-oss model."""
    return tuple(LayerKind.FULL if layer % 2 else LayerKind.SLIDING for layer in range(num_layers))


def _released(num_layers: int, num_experts: int) -> ModelConfig:
    return ModelConfig(
        vocab_size=201_088,
        hidden_size=2880,
        intermediate_size=2880,
        head_dim=64,
        num_query_heads=64,
        num_kv_heads=8,
        num_experts=num_experts,
        experts_per_token=4,
        layer_kinds=alternating_layers(num_layers),
    )


GPT_OSS_20B = _released(num_layers=24, num_experts=32)
GPT_OSS_120B = _released(num_layers=36, num_experts=128)
