"""Frames on their way, by a clock that the test tells: each is hedged and overdue once, and may be late."""

from math import inf

from router.errand import Errand
from router.parcels import Parcel, Parcels
from tests.router.test_errand import share


def parcel(worker: str = "a", *, hedge_at: float = inf, deadline_at: float = 30.0) -> Parcel:
    return Parcel(Errand(share(1)), worker, 1, 0.0, hedge_at, deadline_at)


def test_it_is_looked_at_when_the_first_may_need_it() -> None:
    parcels = Parcels()
    assert parcels.look_at == inf
    parcels.add(1, parcel(deadline_at=30.0))
    parcels.add(2, parcel(hedge_at=2.0))
    parcels.add(3, parcel(hedge_at=5.0))
    assert parcels.look_at == 2.0


def test_a_slow_one_is_given_once() -> None:
    parcels = Parcels()
    slow, other = parcel(hedge_at=2.0), parcel(hedge_at=5.0)
    parcels.add(1, slow)
    parcels.add(2, other)
    assert parcels.take_slow(1.9) == []
    assert parcels.take_slow(2.0) == [slow]
    assert parcels.look_at == 5.0
    assert parcels.take_slow(4.0) == []


def test_an_overdue_one_is_given_once_is_not_hedged_any_more_and_may_still_be_answered() -> None:
    parcels = Parcels()
    late = parcel(hedge_at=40.0)
    parcels.add(1, late)
    assert parcels.take_overdue(29.0) == []
    assert parcels.take_overdue(30.0) == [late]
    assert parcels.take_overdue(31.0) == []
    assert parcels.take_slow(50.0) == []
    assert parcels.look_at == inf
    found = parcels.of_number(1)
    assert found is not None
    assert found.errand is late.errand


def test_what_a_worker_loses_is_its_own() -> None:
    parcels = Parcels()
    mine, other, more = parcel("a"), parcel("b"), parcel("a")
    for number, each in enumerate((mine, other, more)):
        parcels.add(number, each)
    assert parcels.remove_those_of("a") == [mine.errand, more.errand]
    assert list(parcels.unanswered) == [other]
    parcels.remove(1)
    assert len(parcels) == 0
    assert parcels.of_number(1) is None
