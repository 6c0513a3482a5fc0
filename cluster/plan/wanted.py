"""What an operator wants of a mesh: how many workers of each kind, and how their engines are set up."""

from dataclasses import dataclass, field

from cluster.config.config import Config
from protos.errors import ConfigError
from workers.engine.settings import EngineSettings

_VALUE_BYTES = {"bfloat16": 2, "float32": 4}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Without expert workers, every attention worker hosts the whole model."""

    attention: int = 1
    stages: int = 1
    experts: int = 0
    replicas: int = 1
    attention_on_gpu: bool = True  # where there are any
    experts_on_gpu: bool = True  # where there are any
    value_bytes: int | None = None  # of activations, and dense weights on a GPU; None: 2 there, else 4
    cache_bytes: int | None = None  # for keys and values; None: what memory allows
    expert_bytes: int | None = None  # of an expert worker, for experts; None: what its device has
    engine: EngineSettings = field(default_factory=EngineSettings)

    def __post_init__(self) -> None:
        for name, value, least in (
            ("attention workers", self.attention, 1),
            ("stages", self.stages, 1),
            ("expert workers", self.experts, 0),
            ("replicas", self.replicas, 1),
        ):
            if value < least:
                raise ConfigError(f"{value} {name} are asked for; the least is {least}")
        if not self.experts and (self.stages > 1 or self.replicas > 1):
            raise ConfigError(
                f"{self.stages} stages and {self.replicas} replicas need expert workers, and there are none; "
                f"ask for some, or for one stage and one replica"
            )
        if self.experts and self.replicas > self.experts:
            raise ConfigError(
                f"{self.replicas} replicas of every expert need as many expert workers, and {self.experts} "
                f"are asked for"
            )


def wanted_by(config: Config) -> Wanted:
    """What the configuration file asks of cluster mode."""
    engine, cluster = config.engine, config.cluster
    return Wanted(
        attention=cluster.attention.replicas,
        stages=cluster.attention.stages,
        experts=cluster.experts.workers,
        replicas=cluster.experts.replicas,
        attention_on_gpu=engine.device != "cpu",
        experts_on_gpu=cluster.experts.device != "cpu",
        value_bytes=None if engine.dtype is None else _VALUE_BYTES[engine.dtype],
        cache_bytes=_bytes(engine.cache_gb),
        expert_bytes=_bytes(cluster.experts.memory_gb),
        engine=engine.settings,
    )


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * 1e9)
