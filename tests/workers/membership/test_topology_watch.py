"""A watch outlives controllers, and hears each of them."""

import queue
from collections.abc import Iterator

import pytest

from tests.workers.membership.paper_controller import PaperController
from workers.membership.members import MeshTopology
from workers.membership.topology_watch import TopologyWatch

WITHIN_S = 20.0


class Heard:
    """A watch of whatever controller `current` is; each topology that it hears."""

    def __init__(self, controller: PaperController | None) -> None:
        self.current = controller
        self.num_asked = 0
        self._heard: queue.SimpleQueue[MeshTopology] = queue.SimpleQueue()
        self.watch = TopologyWatch(self._find, self._heard.put)
        self.watch.start()

    def next(self) -> MeshTopology:
        return self._heard.get(timeout=WITHIN_S)

    def _find(self) -> str:
        self.num_asked += 1
        if self.current is None:
            raise LookupError("there is none")
        return self.current.address


@pytest.fixture
def controller() -> Iterator[PaperController]:
    controller = PaperController()
    yield controller
    controller.stop()


@pytest.fixture
def heard(controller: PaperController) -> Iterator[Heard]:
    heard = Heard(controller)
    yield heard
    heard.watch.close()


def test_every_topology_is_heard_in_order(controller: PaperController, heard: Heard) -> None:
    said = [MeshTopology(generation=number, controller="c") for number in (1, 2, 3)]
    for topology in said:
        controller.say(topology)
    assert [heard.next() for _ in said] == said


def test_a_controller_that_comes_elsewhere_is_found(controller: PaperController, heard: Heard) -> None:
    controller.say(MeshTopology(generation=7, controller="old"))
    assert heard.next().controller == "old"
    heard.current = None
    controller.stop()
    other = PaperController()
    other.say(MeshTopology(generation=1, controller="new"))
    heard.current = other
    assert heard.next().controller == "new"
    other.stop()


def test_a_controller_that_is_not_there_yet_is_waited_for(controller: PaperController) -> None:
    late = Heard(None)
    controller.say(MeshTopology(controller="late"))
    late.current = controller
    assert late.next().controller == "late"
    assert late.num_asked > 0
    late.watch.close()


def test_closing_ends_it_in_the_middle_of_a_stream(controller: PaperController, heard: Heard) -> None:
    controller.say(MeshTopology(controller="c"))
    heard.next()
    heard.watch.close()
    num_asked = heard.num_asked
    controller.stop()
    assert heard.num_asked == num_asked
