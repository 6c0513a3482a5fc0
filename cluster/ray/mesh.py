"""Begins a mesh on Ray, finds one that is there, and takes one down. Called by commands.

Not here: Ray itself (`ray_cluster`), what the mesh then does (`cluster.controller`).
"""

from dataclasses import dataclass

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from cluster.config.config import Config
from cluster.controller.expert_care import MeshShape
from cluster.controller.wishes import Wishes
from cluster.ray import memory
from cluster.ray.controller_actor import ControllerActor
from cluster.ray.find_controller import find_controller
from cluster.ray.names import CONTROLLER, FOR_EVER, actor_class, hindrance_key, wishes_key
from cluster.ray.needs import with_devices
from cluster.ray.places import Places
from cluster.ray.ray_cluster import RayCluster
from cluster.ray.this_node import is_loopback
from protos.errors import ConfigError

_BEGIN_WITHIN_S = 120.0
_NUM_CALLS = 8
"""Of the controller's address, at once."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """One that is there."""

    controller: str  # its address
    was_there: bool


def find_mesh(name: str) -> Mesh | None:
    """None where none is there."""
    return Mesh(find_controller(name), was_there=True) if CONTROLLER in _actors(name) else None


def begin_mesh(config: Config, cluster: RayCluster, shape: MeshShape, wishes: Wishes) -> Mesh:
    """Or find it: then it goes on as it was configured."""
    name = config.cluster.name
    there = find_mesh(name)
    if there is not None:
        return there
    _check_host(config, cluster)
    begun = ray.remote(actor_class(ControllerActor, CONTROLLER)).options(
        name=CONTROLLER,
        namespace=name,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=FOR_EVER,
        max_concurrency=_NUM_CALLS,
        num_cpus=0,
    )
    begun.remote(with_devices(config, cluster.num_gpus), shape, wishes, name)
    try:
        return Mesh(find_controller(name, _BEGIN_WITHIN_S), was_there=False)
    except RayTaskError as error:
        take_down(name)
        raise ConfigError(f"the controller could not begin: {error.cause}") from error
    except (RayActorError, GetTimeoutError) as error:
        raise ConfigError(f"the controller could not begin: {error}") from error


def take_down(name: str) -> int:
    """The controller first, so that nobody begins anew; -> how many workers there were."""
    actors = _actors(name)
    for actor in sorted(actors, key=lambda each: each != CONTROLLER):
        ray.kill(ray.get_actor(actor, namespace=name), no_restart=True)
    Places(name).give_back(())
    memory.forget(wishes_key(name))
    for actor in actors:
        memory.forget(hindrance_key(name, actor))
    return len(actors - {CONTROLLER})


def _actors(name: str) -> set[str]:
    named = ray.util.list_named_actors(all_namespaces=True)
    return {each["name"] for each in named if each["namespace"] == name}


def _check_host(config: Config, cluster: RayCluster) -> None:
    host = config.cluster.controller.host
    num_machines = len({node.address for node in cluster.nodes})
    if num_machines > 1 and is_loopback(host):
        raise ConfigError(
            f"cluster.controller.host is {host}, which only one machine reaches, and Ray has "
            f"{num_machines}: write 0.0.0.0, or the address of the machine for the controller"
        )
