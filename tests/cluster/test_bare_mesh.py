"""A mesh without replicas, its attention layers in two stages: it waits for what is lost."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.controller.wishes import Wishes
from model.local_model import LocalModel
from router.replication import ReplicatedPart
from tests.cluster.running_mesh import RunningMesh
from tests.cluster.traffic import some_requests
from tests.workers.engine.tiny_engine import SPOKEN
from workers.membership.members import MeshTopology

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

RUN_S = 120.0


@pytest.fixture(scope="module")
def mesh(spoken_folder: Path) -> Iterator[RunningMesh]:
    wishes = Wishes(num_attention=1, num_experts=3, replicas=1, stages=((0, 1), (2, 3, 4)))
    mesh = RunningMesh(spoken_folder, SPOKEN, wishes)
    try:
        mesh.wait_serving()
        yield mesh
    finally:
        mesh.close()


def test_it_gives_the_tokens_of_one_process(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    toll = mesh.traffic.run(some_requests(spoken_model, 8, max_tokens=20), at_once=6, timeout_s=RUN_S)
    assert toll.losses == (0, 0, 0), toll


def test_a_hot_expert_gets_replicas_and_loses_them(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    """From one to three and back, in the middle of sentences."""
    hot = ReplicatedPart(layer=2, expert=3)

    def hosts_now(topology: MeshTopology) -> list[int]:
        assert topology.placement is not None
        return [len(hosts) for experts in topology.placement.hosts for hosts in experts]

    others = [1] * (SPOKEN.num_layers * SPOKEN.num_experts)
    tripled = list(others)
    tripled[2 * SPOKEN.num_experts + 3] = 3
    assert hosts_now(mesh.topology) == others
    running = mesh.traffic.begin(some_requests(spoken_model, 12, max_tokens=40, seed=6), at_once=8)
    for _ in range(3):
        epoch = mesh.epoch
        mesh.controller.set_replication(3, hot)
        mesh.wait_until(lambda topology: hosts_now(topology) == tripled, "three replicas of one expert")
        time.sleep(0.3)
        mesh.controller.take_back_replication(hot)
        mesh.wait_until(lambda topology: hosts_now(topology) == others, "one replica of each expert")
        assert mesh.epoch >= epoch + 2
    mesh.wait_serving()
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert toll.num_failovers == 0
    mesh.wait_until(
        lambda topology: sum(worker.num_experts for worker in topology.workers) == len(others), "let go"
    )


def test_load_is_made_more_even_in_mid_stream(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    epoch, num_rebalances = mesh.epoch, mesh.topology.num_rebalances
    running = mesh.traffic.begin(some_requests(spoken_model, 8, max_tokens=40, seed=7), at_once=6)
    time.sleep(0.5)
    balance = mesh.controller.rebalance(1000)
    assert balance.is_changed
    assert balance.imbalance < balance.imbalance_before
    mesh.wait_until(lambda topology: topology.num_rebalances == num_rebalances + 1, "rebalanced")
    mesh.wait_until(lambda topology: topology.placement is not None and mesh.epoch > epoch, "moved")
    mesh.wait_serving()
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert toll.num_failovers == 0


def test_the_experts_of_a_killed_worker_are_loaded_on_the_others(
    mesh: RunningMesh, spoken_model: LocalModel
) -> None:
    num_lost, epoch = mesh.topology.num_lost, mesh.epoch
    running = mesh.traffic.begin(some_requests(spoken_model, 8, max_tokens=30, seed=1), at_once=6)
    time.sleep(0.5)
    mesh.fleet.send("expert-1", signal.SIGKILL)
    mesh.wait_until(lambda topology: topology.num_lost > num_lost, "lost")
    mesh.wait_until(
        lambda topology: topology.placement is not None and topology.placement.epoch > epoch, "rescued"
    )
    mesh.wait_serving()
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert toll.longest_gap_s < 30.0, "noticing takes less than a second, loading this model as much"


def test_a_stage_is_killed(mesh: RunningMesh, spoken_model: LocalModel) -> None:
    """Its keys and values are gone, so the attention worker before it begins anew, and requests wait."""
    pids = mesh.pids
    running = mesh.traffic.begin(some_requests(spoken_model, 8, max_tokens=30, seed=2), at_once=6)
    time.sleep(0.5)
    mesh.fleet.send("attention-0-stage-1", signal.SIGKILL)
    mesh.wait_until(
        lambda topology: all(
            worker.pid != pids[worker.name] for worker in topology.workers if "attention" in worker.name
        ),
        "begun anew",
    )
    mesh.wait_serving()
    toll = running.finish(RUN_S)
    assert toll.losses == (0, 0, 0), toll
    assert toll.num_failovers > 0
