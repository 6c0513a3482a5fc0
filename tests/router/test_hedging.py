"""After how long a frame is hedged: from the 99th percentile of its like, never before there are enough."""

from math import inf

import pytest

from router.hedging import HedgeClock, HedgeSettings

TWICE = HedgeSettings(2.0, 0.01)


def clock_of(seconds: list[float], settings: HedgeSettings | None = TWICE) -> HedgeClock:
    clock = HedgeClock(settings)
    for each in seconds:
        clock.record(5, each)
    return clock


def test_before_enough_have_been_seen_nothing_is_hedged() -> None:
    assert clock_of([0.1] * 31).delay(5) == inf
    assert clock_of([0.1] * 32).delay(5) == 0.2


def test_it_is_a_multiple_of_what_ninety_nine_in_a_hundred_took() -> None:
    assert clock_of([0.1] * 255 + [9.0]).delay(5) == pytest.approx(0.2)
    assert clock_of([0.1] * 250 + [0.5] * 6).delay(5) == pytest.approx(1.0)


def test_it_is_never_shorter_than_the_least() -> None:
    assert clock_of([0.0001] * 32).delay(5) == 0.01


def test_only_frames_of_about_the_same_size_count() -> None:
    clock = clock_of([0.1] * 32)
    assert clock.delay(4) == clock.delay(7) == 0.2
    assert clock.delay(3) == clock.delay(8) == inf


def test_old_times_are_forgotten() -> None:
    assert clock_of([9.0] * 100 + [0.1] * 288).delay(5) == pytest.approx(0.2)


def test_without_settings_nothing_is_hedged() -> None:
    assert clock_of([0.1] * 300, None).delay(5) == inf
