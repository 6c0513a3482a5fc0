"""A worker that owes an answer is found out at its deadline, unless anything came from it."""

from math import inf

from router.silence import SilenceWatch
from tests.router.test_parcels import parcel


def test_the_first_deadline_counts_and_each_worker_is_given_once() -> None:
    watch = SilenceWatch()
    watch.owes([parcel("a", deadline_at=30.0), parcel("b", deadline_at=40.0)])
    watch.owes([parcel("a", deadline_at=50.0)])
    assert watch.take_silent(29.9) == []
    assert watch.take_silent(30.0) == ["a"]
    assert watch.take_silent(45.0) == ["b"]
    assert watch.take_silent(99.0) == []


def test_any_sign_clears_it() -> None:
    watch = SilenceWatch()
    watch.owes([parcel("a", deadline_at=30.0)])
    watch.heard("a")
    watch.heard("never asked")
    watch.owes([parcel("a", deadline_at=60.0)])
    assert watch.take_silent(59.0) == []
    assert watch.take_silent(60.0) == ["a"]


def test_what_is_overdue_already_is_no_news() -> None:
    watch = SilenceWatch()
    watch.owes([parcel("a", deadline_at=inf)])
    watch.owes([parcel("a", deadline_at=60.0)])
    assert watch.take_silent(60.0) == ["a"]
