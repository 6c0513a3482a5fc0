"""A mesh without replicas, its attention layers in two stages: it waits for what is lost."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.controller.wishes import Wishes
from model.local_model import LocalModel
from tests.cluster.running_mesh import RunningMesh
from tests.cluster.traffic import some_requests
from tests.workers.engine.tiny_engine import SPOKEN

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
