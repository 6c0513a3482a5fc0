"""A worker says again and again that it is there, to any controller."""

import time
from dataclasses import replace

from tests.workers.membership.paper_controller import PaperController
from workers.membership.announcer import ANNOUNCE_EVERY_S, Announcer
from workers.membership.members import Announcement, WorkerKind

WITHIN_S = 20.0
SAID = Announcement("attention-0", WorkerKind.ATTENTION, "n", "10.0.0.1:5", 77, "", "m")


def test_it_says_what_is_true_then() -> None:
    controller, epochs = PaperController(), iter(range(100))
    announcer = Announcer(lambda: controller.address, lambda: replace(SAID, epoch=next(epochs)))
    announcer.start()
    first, second = (controller.announced.get(timeout=WITHIN_S) for _ in range(2))
    announcer.close()
    controller.stop()
    assert (first.epoch, second.epoch) == (0, 1)
    assert first.incarnation == second.incarnation
    assert replace(first, incarnation="", epoch=None) == SAID


def test_what_is_stirred_is_said_at_once() -> None:
    controller = PaperController()
    announcer = Announcer(lambda: controller.address, lambda: SAID)
    announcer.start()
    began, count = time.monotonic(), 20
    for _ in range(count):
        controller.announced.get(timeout=WITHIN_S)
        announcer.stir()
    assert time.monotonic() - began < count * ANNOUNCE_EVERY_S / 2
    announcer.close()
    controller.stop()


def test_another_controller_hears_of_it_too() -> None:
    first = PaperController()
    current = [first]
    announcer = Announcer(lambda: current[0].address, lambda: SAID)
    announcer.start()
    first.announced.get(timeout=WITHIN_S)
    second = PaperController()
    current[0] = second
    first.stop()
    assert second.announced.get(timeout=WITHIN_S).name == SAID.name
    announcer.close()
    second.stop()


def test_a_process_that_begins_later_sorts_behind() -> None:
    controller = PaperController()
    heard = []
    for _ in range(2):
        announcer = Announcer(lambda: controller.address, lambda: SAID)
        announcer.start()
        heard.append(controller.announced.get(timeout=WITHIN_S).incarnation)
        announcer.close()
        while not controller.announced.empty():
            controller.announced.get()
    controller.stop()
    assert heard[0] < heard[1]
