"""A mesh on a real Ray of two nodes: who is killed begins anew, what was said is remembered, tokens stay."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from cluster.cluster_client import ClusterClient
from cluster.config.config_file import load_config
from cluster.controller.fleet import WorkerSpec
from cluster.environment import let_ray_keep_to_itself
from cluster.first_wishes import first_wishes, mesh_shape
from cluster.ray.find_controller import find_controller
from cluster.ray.mesh import begin_mesh, take_down
from cluster.ray.names import CONTROLLER
from cluster.ray.ray_cluster import open_ray
from cluster.ray.ray_fleet import RayFleet
from cluster.status_table import is_serving
from model.local_model import LocalModel
from router.replication import ReplicaRule, ReplicatedPart
from tests.cluster.running_mesh import mesh_config
from tests.cluster.served_process import ServedProcess
from tests.cluster.traffic import Traffic, some_requests
from workers.membership.members import MeshTopology, WorkerKind
from workers.membership.topology_watch import TopologyWatch

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

NAME = "tried"
STORE_BYTES = 80 << 20
WITHIN_S = 60.0
SOURCE_TREE = Path(__file__).parents[3]


class MeshOnRay:
    """The mesh as an operator sees it, and every epoch that was told."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.epochs: list[int] = []
        self.topology = MeshTopology()
        self._watch = TopologyWatch(self.address, self._hear)
        self._watch.start()

    def address(self) -> str:
        return find_controller(NAME)

    def client(self) -> ClusterClient:
        return ClusterClient(self.address())

    def close(self) -> None:
        self._watch.close()
        self.traffic.close()

    def wait_until(self, is_so: Callable[[MeshTopology], bool], what: str) -> MeshTopology:
        end = time.monotonic() + WITHIN_S
        while not is_so(self.topology):
            assert time.monotonic() < end, f"not {what}: {self.topology}"
            time.sleep(0.05)
        return self.topology

    def pids(self) -> dict[str, int]:
        return {worker.name: worker.pid for worker in self.topology.workers}

    def _hear(self, topology: MeshTopology) -> None:
        self.topology = topology
        if topology.placement is not None:
            self.epochs.append(topology.placement.epoch)
        self.traffic.hear(topology)


def pid_of_controller() -> int:
    """The function runs in the actor's process."""
    controller = ray.get_actor(CONTROLLER, namespace=NAME)
    return int(str(ray.get(controller.__ray_call__.remote(lambda _: os.getpid()), timeout=10)))


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    let_ray_keep_to_itself()
    one = {"num_cpus": 1, "node_name": "one", "object_store_memory": STORE_BYTES, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=one)
    nodes.add_node(num_cpus=1, node_name="two", object_store_memory=STORE_BYTES)
    try:
        yield nodes.address
    finally:
        nodes.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def config_file(ray_address: str, spoken_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = dict(mesh_config(spoken_folder))
    values["gateway"] = {"http_port": 0, "grpc_port": 0}
    values["cluster"] = {
        "name": NAME,
        "ray": ray_address,
        "controller": {"port": 0},
        "experts": {"workers": 3, "replicas": 2, "device": "cpu", "threads": 1},
    }
    file = tmp_path_factory.mktemp("mesh") / "mesh.yaml"
    file.write_text(json.dumps(values))
    return file


@pytest.fixture(scope="module")
def mesh(config_file: Path, spoken_folder: Path) -> Iterator[MeshOnRay]:
    config = load_config(config_file)
    joined = open_ray(config.cluster)
    shape = mesh_shape(config, spoken_folder)
    begin_mesh(config, joined, shape, first_wishes(config, ()))
    mesh = MeshOnRay()
    try:
        mesh.wait_until(is_serving, "serving")
        yield mesh
    finally:
        mesh.close()
        take_down(NAME)
        ray.shutdown()


def test_replicas_are_on_different_nodes(mesh: MeshOnRay) -> None:
    nodes = {worker.name: worker.node for worker in mesh.topology.workers}
    placement = mesh.topology.placement
    assert placement is not None
    for experts in placement.hosts:
        for hosts in experts:
            assert {nodes[placement.workers[host]] for host in hosts} == {"one", "two"}


def test_a_killed_expert_worker_begins_anew(mesh: MeshOnRay, spoken_model: LocalModel) -> None:
    before, pid = mesh.topology, mesh.pids()["expert-1"]
    running = mesh.traffic.begin(some_requests(spoken_model, 10, max_tokens=40), at_once=4)
    os.kill(pid, signal.SIGKILL)
    mesh.wait_until(lambda topology: topology.num_lost > before.num_lost, "lost")
    mesh.wait_until(lambda _: is_serving(mesh.topology) and mesh.pids()["expert-1"] != pid, "back")
    assert running.finish(WITHIN_S).losses == (0, 0, 0)
    assert mesh.topology.placement is not None
    assert before.placement is not None
    assert mesh.topology.placement.epoch > before.placement.epoch


def test_a_killed_controller_adopts_what_is_there(mesh: MeshOnRay, spoken_model: LocalModel) -> None:
    client = mesh.client()
    client.set_replication(3)
    client.set_replication(2, layer=1)
    client.close()
    before = mesh.wait_until(
        lambda topology: topology.replicas == 3 and bool(topology.rules) and is_serving(topology),
        "three replicas",
    )
    pids = mesh.pids()
    pid = pid_of_controller()
    running = mesh.traffic.begin(some_requests(spoken_model, 10, max_tokens=40, seed=1), at_once=4)
    os.kill(pid, signal.SIGKILL)
    after = mesh.wait_until(
        lambda topology: topology.controller != before.controller and is_serving(topology), "adopted"
    )
    assert running.finish(WITHIN_S).losses == (0, 0, 0)
    assert mesh.pids() == pids
    assert after.replicas == 3
    assert after.rules == (ReplicaRule(ReplicatedPart(layer=1), 2),)
    assert after.placement is not None
    assert before.placement is not None
    assert after.placement.epoch >= before.placement.epoch


def test_it_grows_and_shrinks_while_it_serves(mesh: MeshOnRay, spoken_model: LocalModel) -> None:
    client = mesh.client()
    running = mesh.traffic.begin(some_requests(spoken_model, 30, max_tokens=40, seed=2), at_once=4)
    client.set_replication(1)
    client.take_back_replication(layer=1)
    client.drain(worker="expert-0")
    mesh.wait_until(lambda _: "expert-0" not in mesh.pids() and is_serving(mesh.topology), "drained")
    client.scale(experts=4)
    grown = mesh.wait_until(lambda topology: is_serving(topology) and len(topology.workers) == 4, "grown")
    assert {worker.name for worker in grown.workers if worker.kind is WorkerKind.EXPERT} == {
        "expert-1",
        "expert-2",
        "expert-3",
    }
    client.undrain(worker="expert-0")
    client.scale(experts=2)
    mesh.wait_until(
        lambda topology: is_serving(topology) and set(mesh.pids()) == {"attention-0", "expert-0", "expert-1"},
        "shrunk",
    )
    client.close()
    assert running.finish(WITHIN_S).losses == (0, 0, 0)


def test_epochs_only_rise(mesh: MeshOnRay) -> None:
    assert mesh.epochs == sorted(mesh.epochs)
    assert len(set(mesh.epochs)) > 3


def begin_command(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cluster", *words],
        cwd=SOURCE_TREE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_serve_finds_the_mesh_and_is_a_gateway_to_it(mesh: MeshOnRay, config_file: Path) -> None:
    pids = mesh.pids()
    serving = ServedProcess("serve", "--mode", "cluster", "--config", str(config_file))
    try:
        serving.wait_serving()
        assert serving.content_of_chat("Is it?", 8) == serving.content_of_grpc_chat("Is it?", 8)
        assert serving.end() == 0
    finally:
        serving.close()
    assert "expertmesh: the mesh tried is there already, and goes on as it was configured" in serving.said
    assert serving.said[-1] == "expertmesh: the mesh tried runs on; `expertmesh stop` ends it"
    assert mesh.pids() == pids


@pytest.fixture
def other_fleet(mesh: MeshOnRay, config_file: Path) -> Iterator[RayFleet]:
    """Of another mesh on the same Ray, whose expert workers want GPUs and whose model is not there."""
    del mesh
    config = load_config(config_file)
    experts = replace(config.cluster.experts, device="cuda")
    wrong = replace(config, model="./absent", cluster=replace(config.cluster, experts=experts))
    yield RayFleet(wrong, "other")
    take_down("other")


def test_what_keeps_a_worker_from_beginning_is_known(other_fleet: RayFleet) -> None:
    expected = {
        "expert-0": "2 GPUs are asked for that no node of Ray has free; add nodes with GPUs",
        "attention-0": "the model ./absent does not exist",
    }
    other_fleet.spawn([WorkerSpec(name, WorkerKind(name[:-2])) for name in (*expected, "expert-1")])
    for name, words in expected.items():
        end = time.monotonic() + WITHIN_S
        while not other_fleet.hindrances([name]).get(name, "").startswith(words):
            assert time.monotonic() < end, other_fleet.hindrances(list(expected))
            time.sleep(0.2)
    other_fleet.stop("attention-0")
    assert other_fleet.hindrances(["attention-0"]) == {}


def test_stop_ends_it(mesh: MeshOnRay, config_file: Path) -> None:
    num_workers = len(mesh.pids())
    with begin_command("stop", "--config", str(config_file)) as stopping:
        said, _ = stopping.communicate(timeout=WITHIN_S)
    assert said.splitlines()[-1] == f"the mesh tried has ended: {num_workers} workers"
    assert ray.util.list_named_actors() == []
