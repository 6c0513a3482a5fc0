"""One gateway's stream without gRPC: the order of what it is told, whoever is faster."""

import pytest

from protos.errors import CapacityError, EngineStoppedError, InvalidRequestError
from workers.attention.attachment import MAX_REQUESTS, Accepted, Attachment, Refused, StepEvents
from workers.attention.switchboard import Switchboard
from workers.engine.events import ChoiceDelta, Event, RequestEnded, Usage

NO_WAIT = 0.0


def delta(request_id: str, token_id: int) -> ChoiceDelta:
    return ChoiceDelta(request_id, 0, (token_id,), "", ())


def ended(request_id: str) -> RequestEnded:
    return RequestEnded(request_id, Usage(1, 0, 2, 0, 0, 0, 0.0, 0.0))


class CutError(Exception):
    """Raised where a stream is cut off."""


def cut() -> None:
    raise CutError


def attach(max_reports: int = 9) -> Attachment:
    return Attachment(3, max_reports, cut)


def own(*events: Event) -> list[tuple[str, Event]]:
    return [(event.request_id.partition("/")[2], event) for event in events]


def test_acceptance_is_told_first_even_if_the_engine_is_faster() -> None:
    attachment = attach()
    assert attachment.begin("a")
    first, last = own(delta("3/a", 5), ended("3/a"))
    attachment.tell([first])
    attachment.tell([last])
    assert attachment.next(NO_WAIT) is None
    assert attachment.taken("a")
    assert attachment.next(NO_WAIT) == Accepted("a")
    assert attachment.next(NO_WAIT) == StepEvents([first, last])
    assert attachment.close() == []


def test_what_was_given_last_is_sent_when_the_next_is_asked_for() -> None:
    switchboard = Switchboard()
    attachment = switchboard.open(cut)
    assert switchboard.wait_sent(NO_WAIT)
    assert attachment.begin("a")
    assert attachment.taken("a")
    assert not switchboard.wait_sent(NO_WAIT)
    assert attachment.next(NO_WAIT) == Accepted("a")
    assert not switchboard.wait_sent(NO_WAIT), "it is being sent"
    assert attachment.next(NO_WAIT) is None
    assert switchboard.wait_sent(NO_WAIT)
    switchboard.deliver([ended("1/a")])
    assert not switchboard.wait_sent(NO_WAIT)
    switchboard.close(attachment)
    assert switchboard.wait_sent(NO_WAIT), "nobody hears it"


def test_an_id_is_taken_until_its_request_has_ended() -> None:
    attachment = attach()
    assert attachment.begin("a")
    assert not attachment.begin("a")
    report = attachment.next(NO_WAIT)
    assert isinstance(report, Refused)
    assert isinstance(report.error, InvalidRequestError)
    assert attachment.taken("a")
    attachment.tell(own(ended("3/a")))
    assert attachment.begin("a")


def test_a_refused_id_is_free_again() -> None:
    attachment = attach()
    assert attachment.begin("a")
    error = EngineStoppedError("gone")
    attachment.refused("a", error)
    assert attachment.next(NO_WAIT) == Refused("a", error)
    assert attachment.begin("a")


def test_what_is_cancelled_while_it_is_submitted_is_not_wanted_when_it_is_taken() -> None:
    attachment = attach()
    attachment.begin("a")
    assert not attachment.cancel("a")
    assert not attachment.taken("a")
    assert attachment.cancel("a")
    assert not attachment.cancel("never there")


def test_a_closed_stream_names_what_the_engine_still_has() -> None:
    attachment = attach()
    for request_id in ("waits", "runs", "has ended"):
        attachment.begin(request_id)
    attachment.taken("runs")
    attachment.taken("has ended")
    attachment.tell(own(ended("3/has ended")))
    assert attachment.close() == ["runs"]
    assert attachment.next(NO_WAIT) is None
    assert not attachment.taken("waits")


def test_who_does_not_read_is_cut_off() -> None:
    attachment = attach(max_reports=3)
    attachment.begin("a")
    attachment.taken("a")
    for token_id in range(2):
        attachment.tell(own(delta("3/a", token_id)))
    with pytest.raises(CutError):
        attachment.tell(own(delta("3/a", 7)))


def test_a_stream_has_a_limited_number_of_requests() -> None:
    attachment = attach()
    for number in range(MAX_REQUESTS):
        assert attachment.begin(f"{number}")
    assert not attachment.begin("one more")
    report = attachment.next(NO_WAIT)
    assert isinstance(report, Refused)
    assert isinstance(report.error, CapacityError)


def test_the_switchboard_gives_each_stream_its_own_of_a_step() -> None:
    board = Switchboard()
    first, second = board.open(cut), board.open(cut)
    for attachment in (first, second):
        attachment.begin("same/id")
        attachment.taken("same/id")
        attachment.next(NO_WAIT)
    events = [delta(each.engine_id("same/id"), each.number) for each in (second, first)]
    board.deliver([*events, delta("99/gone", 0), ended(first.engine_id("same/id"))])
    told = first.next(NO_WAIT)
    assert isinstance(told, StepEvents)
    assert [(request_id, type(event)) for request_id, event in told.events] == [
        ("same/id", ChoiceDelta),
        ("same/id", RequestEnded),
    ]
    assert second.next(NO_WAIT) == StepEvents([("same/id", events[0])])
    assert board.close(first) == []
    assert board.close(second) == ["same/id"]
    assert board.close(second) == []
    assert board.num_open == 0
