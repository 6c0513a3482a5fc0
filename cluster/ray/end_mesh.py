"""Ends a mesh from a process that has no part in it. Called by `expertmesh stop`."""

import ray

from cluster.config.config import Config
from cluster.ray.mesh import take_down
from cluster.ray.ray_cluster import open_ray
from protos.errors import ConfigError


def end_mesh(config: Config) -> int:
    """-> how many workers it had."""
    if config.cluster.ray == "start":
        raise ConfigError(
            "cluster.ray is 'start', so the mesh ends with the `expertmesh serve` that began it: stop that "
            "one, or write `auto` or the address of the Ray on which the mesh runs"
        )
    open_ray(config.cluster)
    try:
        return take_down(config.cluster.name)
    finally:
        ray.shutdown()
