"""A mesh of real processes gives the tokens of one process, whatever happens to it meanwhile."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.controller.wishes import Wishes
from model.local_model import LocalModel
from tests.cluster.running_mesh import RunningMesh
from tests.cluster.traffic import some_requests
from tests.workers.engine.tiny_engine import SPOKEN, load_deterministic, write_spoken_model

RUN_S = 120.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    write_spoken_model(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    return load_deterministic(folder)


@pytest.fixture(scope="module")
def mesh(folder: Path) -> Iterator[RunningMesh]:
    mesh = RunningMesh(folder, SPOKEN, Wishes(num_attention=2, num_experts=3, replicas=2))
    try:
        mesh.wait_serving()
        yield mesh
    finally:
        mesh.close()


def test_it_gives_the_tokens_of_one_process(mesh: RunningMesh, model: LocalModel) -> None:
    toll = mesh.traffic.run(some_requests(model, 12, max_tokens=20), at_once=6, timeout_s=RUN_S)
    assert toll.losses == (0, 0, 0), toll


def test_an_expert_worker_is_killed_again_and_again(mesh: RunningMesh, model: LocalModel) -> None:
    generator = random.Random(7)
    lost_before = mesh.topology.num_lost
    running = mesh.traffic.begin(some_requests(model, 60, max_tokens=40, seed=1), at_once=8)
    for _ in range(3):
        time.sleep(generator.uniform(0.2, 0.8))
        mesh.fleet.send(f"expert-{generator.randrange(3)}", signal.SIGKILL)
        mesh.wait_serving()
    toll = running.result(RUN_S)
    print(toll)
    assert toll.losses == (0, 0, 0), toll
    assert mesh.topology.num_lost > lost_before
    assert toll.longest_gap_s <= 1.0
