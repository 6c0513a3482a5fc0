"""`expertmesh status`, `scale`, `drain` and `rebalance` against a real controller, its workers on paper."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.cli import main
from cluster.cluster_client import ClusterClient
from cluster.controller.cluster_service import ClusterServer
from cluster.controller.controller import Controller, ControllerTiming
from cluster.controller.expert_care import MeshShape
from cluster.controller.wishes import Wishes
from protos.errors import InvalidRequestError
from router.replication import ReplicaRule, ReplicatedPart
from tests.cluster.controller.paper_fleet import PaperFleet
from workers.membership.members import Announcement, WorkerKind

Capture = pytest.CaptureFixture[str]

ATTENTION = Announcement(
    "attention-0",
    WorkerKind.ATTENTION,
    "first",
    "127.0.0.1:4",
    pid=5,
    incarnation="1",
    model="m",
    num_running=3,
)


@dataclass(frozen=True, slots=True)
class Told:
    status: int
    out: str
    err: str


@dataclass(slots=True)
class Operated:
    """A controller, and what operators are told by it."""

    controller: Controller
    fleet: PaperFleet
    address: str
    capture: Capture

    def command(self, *words: str) -> Told:
        status = main([*words, "--address", self.address])
        printed = self.capture.readouterr()
        return Told(status, printed.out, printed.err)

    def tick(self) -> None:
        self.controller.tick()


@pytest.fixture
def operated(capsys: Capture) -> Iterator[Operated]:
    """It ticks when the test says so."""
    fleet = PaperFleet()
    timing = ControllerTiming(silent_s=0.0)  # it waits for nobody who has not been heard of
    controller = Controller(fleet, MeshShape(2, 5, 10), Wishes(1, 3, 2), timing=timing, clock=lambda: 0.0)
    server = ClusterServer(controller, "127.0.0.1", 0)
    server.start()
    controller.tick()
    yield Operated(controller, fleet, server.address, capsys)
    server.stop()
    controller.stop()


def test_status_shows_who_is_there_and_who_is_not(operated: Operated) -> None:
    operated.controller.announce(ATTENTION)
    operated.tick()
    told = operated.command("status")
    assert told.status == 3
    assert told.out.splitlines() == [
        "no placement yet · 2 replicas of each expert · 0 lost · 0 rebalanced",
        "",
        "WORKER       STATE     NODE   ADDRESS      LOAD",
        "attention-0  loading   first  127.0.0.1:4  3 run, 0 wait; no epoch",
        "expert-0     starting  -      -            -",
        "expert-1     starting  -      -            -",
        "expert-2     starting  -      -            -",
        "",
        "now: waiting for expert-0, expert-1, expert-2",
    ]


def test_scale_says_what_there_will_be(operated: Operated) -> None:
    told = operated.command("scale", "--experts", "4", "--replicas", "3")
    assert (told.status, told.out) == (0, "1 attention and 4 expert workers\n3 replicas of each expert\n")
    operated.tick()
    assert set(operated.fleet.specs) == {"attention-0", "expert-0", "expert-1", "expert-2", "expert-3"}
    assert operated.fleet.remembered is not None
    assert Wishes.from_text(operated.fleet.remembered) == Wishes(1, 4, 3)


def test_some_experts_get_more_replicas_and_lose_them_again(operated: Operated) -> None:
    told = operated.command("replicate", "3", "--layer", "1", "--expert", "4")
    assert (told.status, told.out) == (0, "3 replicas of expert 4 of layer 1\n")
    operated.command("replicate", "3", "--expert", "2")
    operated.command("replicate", "1", "--layer", "0")
    operated.tick()
    assert operated.command("status").out.splitlines()[1:5] == [
        "3 replicas of expert 2 of every layer",
        "1 replica of every expert of layer 0",
        "3 replicas of expert 4 of layer 1",
        "",
    ]
    assert operated.command("replicate", "--undo", "--layer", "0").out == (
        "every expert of layer 0: the rule is taken back\n"
    )
    operated.command("replicate", "2", "--expert", "2", "--layer", "1")
    operated.command("replicate", "2", "--expert", "2")
    assert operated.fleet.remembered is not None
    assert Wishes.from_text(operated.fleet.remembered).rules == (
        ReplicaRule(ReplicatedPart(expert=2), 2),
        ReplicaRule(ReplicatedPart(1, 2), 2),
        ReplicaRule(ReplicatedPart(1, 4), 3),
    )


def test_without_experts_there_is_no_rule_to_take_back(operated: Operated) -> None:
    client = ClusterClient(operated.address)
    with pytest.raises(InvalidRequestError, match="name a layer or an expert"):
        client.take_back_replication()
    client.close()


def test_fewer_replicas_come_before_fewer_workers(operated: Operated) -> None:
    told = operated.command("scale", "--experts", "1", "--replicas", "1")
    assert told.status == 0
    operated.tick()
    assert set(operated.fleet.specs) == {"attention-0", "expert-0"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["scale"], "nothing is to be changed: say --attention, --experts or --replicas"),
        (["scale", "--experts", "1"], "2 replicas are asked for; with 1 expert workers it can be 1 to 1"),
        (["scale", "--replicas", "4"], "4 replicas are asked for; with 3 expert workers it can be 1 to 3"),
        (["replicate", "2"], "say which experts: --layer, --expert or both"),
        (
            ["replicate", "4", "--layer", "1"],
            "4 replicas are asked for of every expert of layer 1; with 3 expert workers it can be 1 to 3",
        ),
        (["replicate", "0", "--layer", "1"], "0 replicas are asked for of every expert of layer 1"),
        (["replicate", "2", "--layer", "2"], "there is no layer 2; the model has layers 0 to 1"),
        (["replicate", "2", "--expert", "5"], "there is no expert 5; the model has experts 0 to 4"),
        (["replicate", "--undo", "--layer", "1"], "there is no rule about every expert of layer 1"),
        (["drain", "expert-7"], "there is no worker 'expert-7'; there are expert-0, expert-1, expert-2"),
        (["drain", "--node", "third"], "there are no workers on the node 'third'"),
        (["rebalance"], "the mesh has no placement yet, so there is nothing to move"),
    ],
)
def test_what_cannot_be_is_refused_in_words(operated: Operated, words: list[str], sentence: str) -> None:
    told = operated.command(*words)
    assert (told.status, told.out) == (1, "")
    assert told.err.startswith("expertmesh: ")
    assert sentence in told.err


def test_a_drained_worker_goes_and_may_return(operated: Operated) -> None:
    told = operated.command("drain", "expert-1")
    assert told.out == "expert-1: asked to finish and leave\n"
    operated.tick()
    assert "expert-1" not in operated.fleet.specs
    told = operated.command("drain", "expert-1", "--undo")
    assert told.out == "expert-1: may come back\n"
    operated.tick()
    assert "expert-1" in operated.fleet.specs


def test_a_node_is_drained_with_all_that_is_on_it(operated: Operated) -> None:
    operated.controller.announce(ATTENTION)
    operated.tick()
    refused = operated.command("drain", "--node", "first")
    assert "without attention-0 no attention worker would be left" in refused.err
    operated.command("scale", "--attention", "2")
    assert operated.command("drain", "--node", "first").out == "attention-0: asked to finish and leave\n"


def test_drain_wants_a_worker_or_a_node(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["drain"])
    assert "one of the arguments WORKER --node is required" in capsys.readouterr().err


def test_where_nobody_answers_one_is_told_what_to_name(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    assert main(["status", "--address", address]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"expertmesh: no controller answers at {address} (")
    assert "--address" in printed.err


def test_an_address_without_a_port_is_wrong_usage(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", "--address", "10.0.0.1"])
    assert ended.value.code == 2
    assert "'10.0.0.1' is no HOST:PORT" in capsys.readouterr().err


def test_the_address_is_in_the_configuration(operated: Operated, tmp_path: Path, capsys: Capture) -> None:
    host, _, port = operated.address.rpartition(":")
    config = tmp_path / "mesh.yaml"
    config.write_text(f"model: m\ncluster: {{controller: {{host: {host}, port: {port}}}}}\n")
    assert main(["status", "--config", str(config)]) == 3
    assert "expert-2" in capsys.readouterr().out


def test_an_open_port_cannot_be_guessed(tmp_path: Path, capsys: Capture) -> None:
    config = tmp_path / "mesh.yaml"
    config.write_text("model: m\ncluster: {controller: {port: 0}}\n")
    assert main(["status", "--config", str(config)]) == 1
    assert "name it with --address HOST:PORT" in capsys.readouterr().err
