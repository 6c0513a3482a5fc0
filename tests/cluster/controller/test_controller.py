"""The controller's own part: who is spawned, who may go, who is heard of. Experts: `test_expert_care`."""

from dataclasses import replace

import pytest

from cluster.controller.controller import Controller, ControllerTiming
from cluster.controller.expert_care import MeshShape
from cluster.controller.fleet import WorkerSpec
from cluster.controller.wishes import Wishes
from protos.errors import InvalidRequestError
from tests.cluster.controller.paper_fleet import PaperFleet
from workers.membership.members import Announcement, WorkerKind

SHAPE = MeshShape(num_layers=2, num_experts=3, slots_of_worker=6)
SILENT_S = ControllerTiming().silent_s


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fleet() -> PaperFleet:
    return PaperFleet()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def controller_of(fleet: PaperFleet, clock: Clock) -> Controller:
    return Controller(fleet, SHAPE, Wishes(num_attention=2, num_experts=3), clock=clock)


def stage_said(name: str, node: str = "one") -> Announcement:
    """Of a kind that nobody connects to."""
    return Announcement(name, WorkerKind.STAGE, node, "127.0.0.1:1", 7, "0001", "model")


def test_whoever_is_wished_is_spawned(fleet: PaperFleet, clock: Clock) -> None:
    controller_of(fleet, clock).tick()
    assert fleet.specs.keys() == {"attention-0", "attention-1", "expert-0", "expert-1", "expert-2"}


def test_a_new_controller_gives_those_who_leave_time_to_say_that_they_are_there(
    fleet: PaperFleet, clock: Clock
) -> None:
    controller_of(fleet, clock).tick()
    wishes = Wishes(num_attention=2, num_experts=3).without(["attention-1", "expert-1"])
    fleet.remember(wishes.to_text())
    begun_anew = controller_of(fleet, clock)
    begun_anew.tick()
    assert fleet.specs.keys() >= {"attention-1", "expert-1"}
    clock.now += SILENT_S
    begun_anew.tick()
    assert not fleet.specs.keys() & {"attention-1", "expert-1"}


def test_the_last_words_of_one_that_has_gone_are_forgotten(fleet: PaperFleet, clock: Clock) -> None:
    controller = controller_of(fleet, clock)
    controller.tick()
    controller.announce(stage_said("attention-7-stage-1"))
    controller.tick()
    assert "attention-7-stage-1" not in {worker.name for worker in controller.board.topology.workers}
    assert not any("attention-7" in line for line in controller.board.topology.activities)


def test_why_workers_do_not_come_is_said_once_for_all_of_them(fleet: PaperFleet, clock: Clock) -> None:
    controller = controller_of(fleet, clock)
    fleet.reasons = {"expert-1": "no GPU", "expert-0": "no GPU", "attention-0": "no model", "gone": "no"}
    controller.tick()
    assert controller.board.topology.activities == (
        "waiting for attention-0, attention-1, expert-0, expert-1, expert-2",
        "attention-0 cannot begin: no model",
        "expert-0, expert-1 cannot begin: no GPU",
    )


def test_one_that_was_there_and_cannot_come_back_is_asked_about_too(fleet: PaperFleet, clock: Clock) -> None:
    fleet.remember(Wishes(stages=((0,), (1,))).to_text())
    controller = controller_of(fleet, clock)
    fleet.reasons = {"attention-0-stage-1": "no memory"}
    controller.announce(stage_said("attention-0-stage-1"))
    controller.tick()
    assert "attention-0-stage-1 cannot begin: no memory" not in controller.board.topology.activities
    clock.now += SILENT_S + 1
    controller.tick()
    assert "attention-0-stage-1 cannot begin: no memory" in controller.board.topology.activities


def test_of_two_with_one_name_the_later_one_counts(fleet: PaperFleet, clock: Clock) -> None:
    controller = controller_of(fleet, clock)
    controller.tick()
    fleet.spawn([WorkerSpec("attention-0-stage-1", WorkerKind.STAGE, (1,))])
    for incarnation, address in (("0002", "127.0.0.1:2"), ("0001", "127.0.0.1:1")):
        controller.announce(
            replace(stage_said("attention-0-stage-1"), incarnation=incarnation, address=address)
        )
    controller.tick()
    [stage] = [each for each in controller.board.topology.workers if each.kind is WorkerKind.STAGE]
    assert stage.address == "127.0.0.1:2"


@pytest.mark.parametrize("names", [["attention-0", "attention-1"], ["expert-0", "expert-1", "expert-2"]])
def test_somebody_of_each_kind_must_stay(fleet: PaperFleet, clock: Clock, names: list[str]) -> None:
    controller = controller_of(fleet, clock)
    with pytest.raises(InvalidRequestError, match="would be left"):
        controller.drain(names)
    controller.drain(names[1:])
    controller.tick()
    assert any("drained until they may come back" in line for line in controller.board.topology.activities)


def test_a_node_whose_workers_have_left_is_still_known(fleet: PaperFleet, clock: Clock) -> None:
    controller = controller_of(fleet, clock)
    controller.announce(stage_said("attention-0-stage-1", node="two"))
    assert controller.workers_of("two") == ["attention-0-stage-1"]
    with pytest.raises(InvalidRequestError, match="there are some on two"):
        controller.workers_of("three")
