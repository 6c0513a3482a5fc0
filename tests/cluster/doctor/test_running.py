"""A mesh and a gateway that run, or do not, or are not what they should be."""

import socket

import pytest

from cluster.config.config import Config
from cluster.config.config_file import parse_config
from cluster.controller.cluster_service import ClusterServer
from cluster.controller.controller import Controller, ControllerTiming
from cluster.controller.expert_care import MeshShape
from cluster.controller.wishes import Wishes
from cluster.doctor.finding import State
from cluster.doctor.running import check_gateway, check_mesh
from tests.cluster.conftest import Serve
from tests.cluster.controller.paper_fleet import PaperFleet


def config_of(http_port: int = 0, controller_port: int = 0, **gateway: object) -> Config:
    values = {
        "model": "m",
        "gateway": {"http_port": http_port, **gateway},
        "cluster": {"controller": {"port": controller_port}},
    }
    return parse_config(values, "test")


@pytest.fixture
def nobody() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_nothing_runs_and_that_is_no_fault(nobody: int) -> None:
    config = config_of(nobody, nobody)
    assert check_mesh(config).found == f"none is at 127.0.0.1:{nobody}"
    assert check_gateway(config).found == f"none is at 127.0.0.1:{nobody}"
    assert check_mesh(config).state is check_gateway(config).state is State.OK


def test_open_ports_cannot_be_asked() -> None:
    assert check_mesh(config_of()).state is State.UNCHECKED
    assert check_gateway(config_of()).state is State.UNCHECKED


def test_a_mesh_that_waits_says_for_whom() -> None:
    timing = ControllerTiming(silent_s=0.0)
    controller = Controller(PaperFleet(), MeshShape(2, 5, 10), Wishes(1, 2, 1), timing=timing)
    server = ClusterServer(controller, "127.0.0.1", 0)
    server.start()
    controller.tick()
    try:
        finding = check_mesh(config_of(controller_port=int(server.address.rpartition(":")[2])))
    finally:
        server.stop()
        controller.stop()
    assert finding.state is State.WARNING
    assert "attention-0 is starting, expert-0 is starting" in finding.found


def test_a_gateway_says_whether_it_is_ready(serve: Serve) -> None:
    gateway = serve([])
    port = int(gateway.url.rpartition(":")[2])
    assert check_gateway(config_of(port)).found == f"at 127.0.0.1:{port}, ready"
    gateway.ready = (503, {"error": {"message": "the engine is draining"}})
    finding = check_gateway(config_of(port))
    assert finding.state is State.WARNING
    assert finding.found == f"at 127.0.0.1:{port}, not ready: the engine is draining"
