"""Opens Ray for this process: one of its own on this machine, or one that runs already.

Not here: what is run on it (`mesh`). Called by commands, once.
"""

import logging
from dataclasses import dataclass

import ray

from cluster.config.config import ClusterConfig
from cluster.ray.this_node import RayNode, alive_nodes
from protos.errors import ConfigError

_OBJECT_STORE_BYTES = 80 << 20
"""The mesh keeps nothing there, and Ray would take a third of the memory."""


@dataclass(frozen=True, slots=True)
class RayCluster:
    """Until `ray.shutdown`. What was started here ends with this process."""

    is_ours: bool
    nodes: tuple[RayNode, ...]

    @property
    def num_gpus(self) -> int:
        return sum(node.num_gpus for node in self.nodes)


def open_ray(config: ClusterConfig) -> RayCluster:
    """Raises ConfigError where Ray cannot begin, or is not there to be joined."""
    is_ours = config.ray == "start"
    try:
        if is_ours:
            _init("local", config.name, _OBJECT_STORE_BYTES)
        else:
            _init(config.ray, config.name, None)
    except Exception as error:  # Ray raises that very class too
        raise ConfigError(_refusal(config.ray, error)) from error
    return RayCluster(is_ours, tuple(alive_nodes()))


def _init(address: str, namespace: str, object_store_bytes: int | None) -> None:
    """What actors log stays in Ray's files; what a person must know of the mesh, the controller tells."""
    ray.init(
        address=address,
        namespace=namespace,
        include_dashboard=False,
        object_store_memory=object_store_bytes,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _refusal(address: str, error: Exception) -> str:
    if address == "start":
        return f"Ray could not begin on this machine: {error}"
    where = "on this machine" if address == "auto" else f"at {address}"
    return (
        f"cluster.ray is {address!r}, and no Ray can be joined {where} ({error}); begin one with "
        f"`ray start --head`, or write `start` for one of its own"
    )
