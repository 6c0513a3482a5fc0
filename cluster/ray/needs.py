"""What workers need of Ray, from the configuration and from how many GPUs there are. Pure.

Not here: where they are put (`places`).
"""

from dataclasses import dataclass, replace
from typing import Literal

from cluster.config.config import Config
from cluster.plan.words import counted
from protos.errors import ConfigError
from workers.membership.members import WorkerKind

_SOME_CPU = 0.01
"""Enough to stay off nodes that take no work. Threads are not reserved: they share cores well, and a mesh
that wants more of them than there are cores would never begin."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Of one worker."""

    num_cpus: float
    num_gpus: int

    @property
    def resources(self) -> dict[str, float]:
        """As Ray names them."""
        return {"CPU": self.num_cpus, **({"GPU": self.num_gpus} if self.num_gpus else {})}


def with_devices(config: Config, num_gpus: int) -> Config:
    """With a device for every kind of worker: attention workers come first where there are too few GPUs."""
    device = config.engine.device
    if device is not None and ":" in device:
        raise ConfigError(
            f"engine.device is {device}, but in cluster mode Ray says which GPU a worker has; write cuda"
        )
    cluster = config.cluster
    num_attention = cluster.attention.replicas * cluster.attention.stages
    device = device or _device(num_attention <= num_gpus)
    left = num_gpus - (num_attention if device == "cuda" else 0)
    experts = replace(
        cluster.experts, device=cluster.experts.device or _device(cluster.experts.workers <= left)
    )
    return replace(
        config, engine=replace(config.engine, device=device), cluster=replace(cluster, experts=experts)
    )


def check_gpus(config: Config, num_gpus: int) -> None:
    """Of a configuration that has devices, on nodes that will not become more. Raises ConfigError."""
    wanted = num_gpus_wanted(config)
    if wanted > num_gpus:
        raise ConfigError(
            f"engine.device is {config.engine.device} and cluster.experts.device is "
            f"{config.cluster.experts.device}, so {counted(wanted, 'worker')} would take a GPU each; Ray "
            f"finds {counted(num_gpus, 'GPU')} here. Write cpu, leave it empty, or ask for fewer workers"
        )


def num_gpus_wanted(config: Config) -> int:
    """Of a configuration that has devices: one for each worker on a GPU."""
    cluster = config.cluster
    num_attention = cluster.attention.replicas * cluster.attention.stages
    on_gpu = {WorkerKind.ATTENTION: num_attention, WorkerKind.EXPERT: cluster.experts.workers}
    return sum(count * needs_of(config, kind).num_gpus for kind, count in on_gpu.items())


def needs_of(config: Config, kind: WorkerKind) -> Needs:
    """Of a configuration that has devices."""
    cluster = config.cluster
    is_expert = kind is WorkerKind.EXPERT
    device = cluster.experts.device if is_expert else config.engine.device
    return Needs(num_cpus=_SOME_CPU, num_gpus=int(device == "cuda"))


def num_threads(config: Config, kind: WorkerKind, num_cores: int, num_nodes: int) -> int:
    """Of a worker on a CPU: as configured, or its part of a node's cores if all share them alike."""
    cluster = config.cluster
    given = cluster.experts.threads if kind is WorkerKind.EXPERT else cluster.attention.threads
    num_workers = cluster.attention.replicas * cluster.attention.stages + cluster.experts.workers
    return given or max(1, num_cores * num_nodes // num_workers)


def _device(has_gpu: bool) -> Literal["cpu", "cuda"]:
    return "cuda" if has_gpu else "cpu"
