"""The fleet that is shipped: every worker a detached, named Ray actor, which Ray begins anew when it dies.

Not here: what an actor does (`worker_actor`). Called by the controller's thread.
"""

from collections.abc import Collection, Mapping

import ray

from cluster.config.config import Config
from cluster.controller.fleet import WorkerSpec
from cluster.ray import memory
from cluster.ray.names import CONTROLLER, FOR_EVER, actor_class, hindrance_key, wishes_key
from cluster.ray.needs import needs_of
from cluster.ray.places import Places, Resources
from cluster.ray.worker_actor import WorkerActor
from workers.membership.members import WorkerKind


class RayFleet:
    """A `Fleet`. Of a mesh, which is a namespace of Ray."""

    def __init__(self, config: Config, mesh: str) -> None:
        self._config = config
        self._mesh = mesh
        self._places = Places(mesh)

    def names(self) -> Collection[str]:
        named = ray.util.list_named_actors(all_namespaces=True)
        there = {each["name"] for each in named if each["namespace"] == self._mesh}
        return there - {CONTROLLER}

    def spawn(self, specs: Collection[WorkerSpec]) -> None:
        for kind in WorkerKind:
            self._spawn([spec for spec in specs if spec.kind is kind], kind)

    def stop(self, name: str) -> None:
        memory.forget(hindrance_key(self._mesh, name))
        ray.kill(ray.get_actor(name, namespace=self._mesh), no_restart=True)
        self._places.give_back(set(self.names()) - {name})

    def hindrances(self, names: Collection[str]) -> Mapping[str, str]:
        told = {name: memory.recall(hindrance_key(self._mesh, name)) for name in names}
        lacking = {name: _in_words(lacked) for name, lacked in self._places.lacking().items() if name in told}
        return {name: words for name, words in told.items() if words is not None} | lacking

    def recall(self) -> str | None:
        return memory.recall(wishes_key(self._mesh))

    def remember(self, text: str) -> None:
        memory.remember(wishes_key(self._mesh), text)

    def _spawn(self, specs: Collection[WorkerSpec], kind: WorkerKind) -> None:
        needs = needs_of(self._config, kind)
        name_to_place = self._places.take([spec.name for spec in specs], needs.resources)
        for spec in specs:
            ray.remote(actor_class(WorkerActor, spec.name)).options(
                name=spec.name,
                namespace=self._mesh,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=FOR_EVER,
                num_cpus=needs.num_cpus,
                num_gpus=needs.num_gpus,
                scheduling_strategy=name_to_place[spec.name],
            ).remote(self._config, spec, self._mesh)


def _in_words(lacking: Resources) -> str:
    num_gpus = int(lacking.get("GPU", 0))
    if not num_gpus:
        return "no node of Ray has a CPU to give; begin one with `ray start --address=...`"
    return (
        f"{num_gpus} {'GPU is' if num_gpus == 1 else 'GPUs are'} asked for that no node of Ray has free; add "
        f"nodes with GPUs, or begin a mesh with `device: cpu`"
    )
