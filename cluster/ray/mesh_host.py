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
from cluster.controller.expert_care import MeshShape
from cluster.first_wishes import first_wishes, mesh_shape
from cluster.model_folder import find_model
from cluster.plan.planner import plan_mesh
from cluster.plan.stages import even_cut
from cluster.plan.summary import summary
from cluster.plan.wanted import wanted_by
from cluster.ports import check_free
from cluster.ray.find_controller import find_controller
from cluster.ray.mesh import Mesh, begin_mesh, find_mesh, take_down
from cluster.ray.needs import check_gpus, num_gpus_wanted, with_devices
from cluster.ray.ray_cluster import RayCluster, open_ray
from cluster.ray.ray_hardware import hardware_of
from cluster.serving.gateway_run import GatewayRun, Note, draining
from cluster.serving.mesh_side import open_on_mesh
from cluster.serving.own_model import OwnModel
from cluster.status_table import is_serving, serving_addresses
from cluster.stop_signal import StopSignal
from cluster.tls import tls_files
from model.config.config_file import load_config
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
        shape = mesh_shape(self._config, self._folder)
        gateway = self._gateway()
        gateway.check_ports()
        self._check_controller()
        if self._config.cluster.ray == "start":
            self._note("begins a Ray on this machine")
        cluster = open_ray(self._config.cluster)
        stop = StopSignal()  # after Ray, which has a handler of its own
        try:
            self._greet(find_mesh(self._config.cluster.name) or self._begin(cluster, shape))
            gateway.begin()
            self._look_on(stop, gateway)
            self._note(draining(drain_s))
            gateway.drain(drain_s)
            self._end(cluster, drain_s)
        finally:
            gateway.stop()
            ray.shutdown()

    def _gateway(self) -> GatewayRun:
        config, name = self._config, self._config.cluster.name
        own = OwnModel.open(self._folder, config)
        return GatewayRun(
            config,
            own.name,
            lambda: open_on_mesh(config, own, lambda: find_controller(name)),
            waits_for=f"no attention worker of the mesh {name} serves yet",
            note=self._note,
        )

    def _check_controller(self) -> None:
        """Before Ray begins, which takes long; on a Ray that is there, the controller may be elsewhere."""
        where = self._config.cluster.controller
        if self._config.cluster.ray == "start":
            check_free(where.host, where.port, "cluster.controller.port or --controller-port")

    def _begin(self, cluster: RayCluster, shape: MeshShape) -> Mesh:
        """Nothing is begun that does not fit, as far as Ray knows how much memory there is."""
        config, model = with_devices(self._config, cluster.num_gpus), load_config(self._folder)
        if cluster.is_ours:
            check_gpus(config, cluster.num_gpus)
        wanted = wanted_by(config)
        hardware = hardware_of(cluster.nodes, num_gpus_wanted(config))
        if hardware is None:
            stages = even_cut(model, wanted.stages)
            self._note("the memory of the devices is not known before workers begin, so nothing is planned")
        else:
            plan = plan_mesh(model, hardware, wanted)
            stages = plan.stages
            self._note(f"planned {summary(plan)}")
        return begin_mesh(config, cluster, shape, first_wishes(config, stages))

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
