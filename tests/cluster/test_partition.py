"""A node is cut off, and comes back: requests go on meanwhile, and in the end both sides agree."""

import time
from pathlib import Path

import pytest

from cluster.controller.wishes import Wishes
from model.local_model import LocalModel
from tests.cluster.running_mesh import RunningMesh
from tests.cluster.traffic import some_requests
from tests.cluster.two_networks import two_networks
from tests.workers.engine.tiny_engine import SPOKEN
from workers.membership.members import WorkerState

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

RUN_S = 120.0


def test_a_node_is_cut_off_and_comes_back(spoken_folder: Path, spoken_model: LocalModel) -> None:
    """On it are one of two attention workers, one of three expert workers, one replica of each expert."""
    wishes = Wishes(num_attention=2, num_experts=3, replicas=2)
    with two_networks() as (nodes, cable):
        mesh = RunningMesh(spoken_folder, SPOKEN, wishes, nodes=nodes)
        try:
            mesh.wait_serving()
            pids, epoch = mesh.pids, mesh.epoch
            running = mesh.traffic.begin(some_requests(spoken_model, 8, max_tokens=40), at_once=6)
            time.sleep(1.0)
            cable.pull()
            mesh.wait_until(
                lambda topology: (
                    {worker.name for worker in topology.workers if worker.state is WorkerState.LOST}
                    == {"attention-1", "expert-1"}
                ),
                "cut off",
            )
            time.sleep(3.0)
            cable.plug()
            mesh.wait_serving()
            toll = running.finish(RUN_S)
        finally:
            mesh.close()
    assert toll.losses == (0, 0, 0), toll
    assert toll.num_failovers > 0
    assert mesh.pids == pids, "nobody had to begin anew"
    assert mesh.epoch > epoch
    assert toll.longest_gap_s < 10.0, toll
