"""How far a request is carried, with a clock that only the test moves."""

import pytest

from gateway.engine_link.course import Course
from gateway.engine_link.settings import FailoverSettings
from protos.errors import (
    AttentionUnreachableError,
    CapacityError,
    DeadlineExpiredError,
    EngineStoppedError,
    InvalidRequestError,
)
from workers.engine.request import GenerationRequest

SETTINGS = FailoverSettings(max_attempts=3, patience_s=10.0, retry_s=0.5)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def course(clock: Clock, timeout_s: float | None = None) -> Course:
    return Course(GenerationRequest("one", (1,), timeout_s=timeout_s), SETTINGS, clock)


def test_a_worker_that_has_failed_is_left_alone_for_a_while() -> None:
    clock = Clock()
    one = course(clock)
    one.failed("a", EngineStoppedError("gone"))
    assert one.has_just_failed("a")
    assert not one.has_just_failed("b")
    clock.now += 0.5
    assert not one.has_just_failed("a")


def test_what_another_worker_cannot_mend_is_raised() -> None:
    error = InvalidRequestError("bad")
    with pytest.raises(InvalidRequestError) as caught:
        course(Clock()).failed("a", error)
    assert caught.value is error


def test_a_request_that_loses_one_worker_after_another_is_given_up() -> None:
    one = course(Clock())
    one.failed("a", EngineStoppedError("gone"))
    one.progress()
    one.failed("b", AttentionUnreachableError("gone"))
    with pytest.raises(AttentionUnreachableError, match=r"3 times an attention worker was lost.*killed"):
        one.failed("c", EngineStoppedError("killed"))


def test_full_workers_are_the_queues_affair_before_anything_is_told() -> None:
    one = course(Clock())
    assert one.wait_s() == 0.5
    one.failed("a", CapacityError("full"))
    with pytest.raises(CapacityError):
        one.wait_s()


def test_full_workers_are_waited_for_once_something_is_told() -> None:
    clock = Clock()
    one = course(clock)
    one.progress()
    for number in range(9):
        one.failed(f"{number}", CapacityError("full"))
    assert one.wait_s() == 0.5
    clock.now += 9.9
    assert one.wait_s() == pytest.approx(0.1)
    clock.now += 0.1
    with pytest.raises(CapacityError):
        one.wait_s()


def test_patience_begins_anew_with_every_word() -> None:
    clock = Clock()
    one = course(clock)
    clock.now += 9.9
    one.progress()
    clock.now += 9.9
    one.wait_s()
    clock.now += 0.2
    with pytest.raises(AttentionUnreachableError, match="no attention worker could be reached within 10 s"):
        one.wait_s()


def test_the_time_of_a_request_is_shared_by_its_workers() -> None:
    clock = Clock()
    one = course(clock, timeout_s=4.0)
    assert one.time_left() == 4.0
    clock.now += 3.75
    assert one.time_left() == 0.25
    assert one.wait_s() == 0.25
    clock.now += 0.25
    for ask in (one.time_left, one.wait_s):
        with pytest.raises(DeadlineExpiredError, match="within 4 s"):
            ask()
    assert course(clock).time_left() is None
