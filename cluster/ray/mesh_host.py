"""`expertmesh serve --mode cluster` while it runs: begins the mesh, tells how it stands, ends what it began.

A gateway runs here too, on the side. Not here: the parts (`ray_cluster`, `mesh`), nor anything that the mesh
needs: unless Ray was started here, it goes on without this process.
"""

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import grpc
import ray

from cluster.config.config import Config
from cluster.first_wishes import first_wishes, mesh_shape
from cluster.model_folder import find_model
from cluster.ray.find_controller import find_controller
from cluster.ray.mesh import Mesh, begin_mesh, take_down
from cluster.ray.ray_cluster import RayCluster, open_ray
from cluster.serving.gateway_run import GatewayRun, Note
from cluster.serving.mesh_side import open_on_mesh
from cluster.serving.own_model import OwnModel
from cluster.status_table import is_serving, serving_addresses
from cluster.stop_signal import StopSignal
from cluster.tls import tls_files
from workers.attention.control import AttentionControl
from workers.membership.members import MeshTopology
from workers.membership.topology_watch import TopologyWatch

_LOOK_EVERY_S = 0.1


class MeshHost:
    """`serve` returns when a signal has come, and all that is to be ended has ended."""

    def __init__(self, config: Config, note: Note) -> None:
        self._folder = Path(find_model(config.model)).absolute()
        self._config = _reachable(config)
        self._note = note
        self._topology = MeshTopology()
        self._told: tuple[str, ...] = ()

    def serve(self, drain_s: float) -> None:
        config = self._config
        shape = mesh_shape(config, self._folder)
        wishes = first_wishes(config, shape.num_layers)
        own = OwnModel.open(self._folder, config)
        gateway = GatewayRun(
            config,
            own.name,
            lambda: open_on_mesh(config, own, lambda: find_controller(config.cluster.name)),
            waits_for=f"no attention worker of the mesh {config.cluster.name} serves yet",
            note=self._note,
        )
        gateway.check_ports()
        cluster = open_ray(config.cluster)
        stop = StopSignal()  # after Ray, which has a handler of its own
        try:
            mesh = begin_mesh(config, cluster, shape, wishes)
            self._greet(mesh)
            gateway.begin()
            self._look_on(stop, gateway)
            gateway.drain(drain_s)
            self._end(cluster, drain_s)
        finally:
            gateway.stop()
            ray.shutdown()

    def _greet(self, mesh: Mesh) -> None:
        name = self._config.cluster.name
        if mesh.was_there:
            self._note(f"the mesh {name} is there already, and goes on as it was configured")
        self._note(f"the controller of {name} listens at {mesh.controller}")

    def _look_on(self, stop: StopSignal, gateway: GatewayRun) -> None:
        watch = TopologyWatch(
            lambda: find_controller(self._config.cluster.name), self._hear, tls_files(self._config)
        )
        watch.start()
        try:
            while not stop.wait(_LOOK_EVERY_S):
                gateway.look()
        finally:
            watch.close()

    def _hear(self, topology: MeshTopology) -> None:
        """Says what is new of it."""
        self._topology = topology
        addresses = ", ".join(serving_addresses(topology))
        told = (f"the mesh serves at {addresses}",) if is_serving(topology) else topology.activities
        for sentence in told:
            if sentence not in self._told:
                self._note(sentence)
        self._told = told

    def _end(self, cluster: RayCluster, drain_s: float) -> None:
        name = self._config.cluster.name
        if not cluster.is_ours:
            self._note(f"the mesh {name} runs on; `expertmesh stop` ends it")
            return
        self._note(f"takes nothing new; what runs has {drain_s:g} s to end")
        threads = [
            threading.Thread(target=self._drain, args=(address, drain_s))
            for address in serving_addresses(self._topology)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        take_down(name)

    def _drain(self, address: str, drain_s: float) -> None:
        control = AttentionControl(address, tls_files(self._config))
        with suppress(grpc.RpcError):  # it is gone, or late: it ends all the same
            control.drain(drain_s)
        control.close()


def _reachable(config: Config) -> Config:
    """A folder by its whole path: the processes of Ray begin in another one."""
    folder = Path(config.model)
    return replace(config, model=str(folder.absolute())) if folder.is_dir() else config
