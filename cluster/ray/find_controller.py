"""Where the controller of a mesh listens, asked of Ray. Called by workers and by commands."""

import ray

from cluster.ray.names import CONTROLLER

_WITHIN_S = 5.0


def find_controller(mesh: str, timeout_s: float = _WITHIN_S) -> str:
    """As of now. Raises one of Ray's errors, or ValueError, while there is none."""
    actor = ray.get_actor(CONTROLLER, namespace=mesh)
    return str(ray.get(actor.address.remote(), timeout=timeout_s))
