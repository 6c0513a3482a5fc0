"""Opens Ray for this process: one of its own on this machine, or one that runs already.

Not here: what is run on it (`mesh`). Called by commands, once.
"""

import logging
from dataclasses import dataclass

import ray

from cluster.config.config import ClusterConfig
from cluster.ray.this_node import alive_nodes
from protos.errors import ConfigError

_OBJECT_STORE_BYTES = 80 << 20
"""The mesh keeps nothing there, and Ray would take a third of the memory."""


@dataclass(frozen=True, slots=True)
class RayCluster:
    """Until `ray.shutdown`. What was started here ends with this process."""

    is_ours: bool
    node_addresses: frozenset[str]
    num_gpus: int


def open_ray(config: ClusterConfig) -> RayCluster:
    """Raises ConfigError where Ray cannot begin, or is not there to be joined."""
    is_ours = config.ray == "start"
    try:
        if is_ours:
            ray.init(
                address="local",
                namespace=config.name,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                logging_level=logging.WARNING,
            )
        else:
            ray.init(address=config.ray, namespace=config.name, logging_level=logging.WARNING)
    except Exception as error:  # Ray raises that very class too
        raise ConfigError(_refusal(config.ray, error)) from error
    nodes = alive_nodes()
    return RayCluster(
        is_ours, frozenset(node.address for node in nodes), sum(node.num_gpus for node in nodes)
    )


def _refusal(address: str, error: Exception) -> str:
    if address == "start":
        return f"Ray could not begin on this machine: {error}"
    where = "on this machine" if address == "auto" else f"at {address}"
    return (
        f"cluster.ray is {address!r}, and no Ray can be joined {where} ({error}); begin one with "
        f"`ray start --head`, or write `start` for one of its own"
    )
