"""A mesh of real processes gives the tokens of one process, whatever happens to it meanwhile.

Two replicas of every expert here; `test_bare_mesh` has none, and stages.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.controller.wishes import Wishes
from model.local_model import LocalModel
from tests.cluster.running_mesh import RunningMesh
from tests.cluster.traffic import some_requests
from tests.workers.engine.tiny_engine import SPOKEN
from workers.membership.members import MeshTopology, WorkerState

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

RUN_S = 120.0


@pytest.fixture(scope="module")
def mesh(spoken_folder: Path) -> Iterator[RunningMesh]:
    mesh = RunningMesh(spoken_folder, SPOKEN, Wishes(num_attention=2, num_experts=3, replicas=2))
    try:
        mesh.wait_serving()
        yield mesh
    finally:
        mesh.close()


def test_it_gives_the_tokens_of_one_process(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    toll = mesh.traffic.run(some_requests(spoken_model, 12, max_tokens=20), at_once=6, timeout_s=RUN_S)
    assert toll.losses == (0, 0, 0), toll


def test_replicas_of_an_expert_are_on_different_nodes(mesh: RunningMesh) -> None:
    placement = mesh.topology.placement
    assert placement is not None
    node_of = {worker.name: worker.node for worker in mesh.topology.workers}
    for experts in placement.hosts:
        for hosts in experts:
            assert len(hosts) == 2
            assert len({node_of[placement.workers[host]] for host in hosts}) == 2


def has_lost(count: int) -> Callable[[MeshTopology], bool]:
    return lambda topology: topology.num_lost >= count


def test_an_expert_worker_is_killed_again_and_again(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    generator = random.Random(7)
    lost_before = mesh.topology.num_lost
    running = mesh.traffic.begin(some_requests(spoken_model, 12, max_tokens=40, seed=1), at_once=8)
    for number in range(3):
        time.sleep(generator.uniform(0.1, 0.6))
        mesh.fleet.send(f"expert-{number}", signal.SIGKILL)
        mesh.wait_until(has_lost(lost_before + number + 1), "lost")
        mesh.wait_serving()
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert toll.longest_gap_s <= 1.0


def test_an_attention_worker_is_killed(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    running = mesh.traffic.begin(some_requests(spoken_model, 12, max_tokens=40, seed=2), at_once=8)
    time.sleep(0.7)
    mesh.fleet.send("attention-0", signal.SIGKILL)
    mesh.wait_until(
        lambda topology: any(worker.state is WorkerState.LOST for worker in topology.workers), "lost"
    )
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert toll.num_failovers > 0
    mesh.wait_serving()


def test_the_controller_is_killed_and_another_adopts(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    pids, epoch = mesh.pids, mesh.epoch
    running = mesh.traffic.begin(some_requests(spoken_model, 12, max_tokens=40, seed=3), at_once=8)
    time.sleep(0.3)
    mesh.kill_controller()
    time.sleep(0.7)
    mesh.replace_controller()
    mesh.wait_serving()
    assert mesh.pids == pids
    assert mesh.epoch >= epoch
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert toll.num_failovers == 0


def test_experts_move_while_traffic_runs(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    """One worker more, three replicas, a drain, and back."""
    epochs = [mesh.epoch]
    running = mesh.traffic.begin(some_requests(spoken_model, 12, max_tokens=40, seed=4), at_once=8)
    mesh.controller.scale(None, 4)
    mesh.wait_until(lambda topology: len(topology.workers) == 6, "four expert workers")
    mesh.wait_serving()
    epochs.append(mesh.epoch)
    mesh.controller.set_replication(3)
    mesh.wait_until(
        lambda topology: (
            topology.placement is not None
            and all(len(hosts) >= 3 for experts in topology.placement.hosts for hosts in experts)
        ),
        "three replicas",
    )
    epochs.append(mesh.epoch)
    mesh.controller.set_replication(2)
    mesh.controller.drain(["expert-1"])
    mesh.wait_until(
        lambda topology: all(worker.name != "expert-1" for worker in topology.workers), "expert-1 gone"
    )
    epochs.append(mesh.epoch)
    mesh.controller.undrain(["expert-1"])
    mesh.controller.scale(None, 3)
    mesh.wait_until(
        lambda topology: (
            {worker.name for worker in topology.workers}
            == {"attention-0", "attention-1", "expert-0", "expert-1", "expert-2"}
        ),
        "as at the beginning",
    )
    mesh.wait_serving()
    epochs.append(mesh.epoch)
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert epochs == sorted(epochs)
    assert epochs[-1] > epochs[0]


def test_an_attention_worker_comes_and_goes(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    running = mesh.traffic.begin(some_requests(spoken_model, 12, max_tokens=40, seed=5), at_once=8)
    mesh.controller.scale(1, None)
    mesh.wait_until(lambda topology: len(topology.workers) == 4, "one attention worker")
    mesh.controller.scale(2, None)
    mesh.wait_until(lambda topology: len(topology.workers) == 5, "two attention workers")
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert toll.num_failovers == 0, "a drained worker finishes what it has"
    mesh.wait_serving()
