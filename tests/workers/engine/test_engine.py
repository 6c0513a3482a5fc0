"""The engine with its thread: the door, the limits, the ways to stop."""

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from protos.errors import (
    CapacityError,
    EngineStoppedError,
    InvalidRequestError,
    RequestCancelledError,
)
from tests.workers.engine.engine_client import GREEDY, PATIENCE_S, Client
from tests.workers.engine.paper_engine import PaperEngine
from workers.engine.core import EngineCore
from workers.engine.engine import Engine
from workers.engine.events import ChoiceDelta, Event, RequestEnded
from workers.engine.load import ServingState
from workers.engine.request import GenerationRequest


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.may_step.set()
    made.engine.close()


def test_events_of_a_step_come_together(client: Client) -> None:
    client.may_step.clear()
    requests = [client.submit(f"{number}") for number in range(3)]
    client.may_step.set()
    outputs: dict[str, list[int]] = {request.request_id: [] for request in requests}
    num_batches = num_ended = 0
    while num_ended < 3:
        batch = client.batches.get(timeout=PATIENCE_S)
        num_batches += 1
        for event in batch:
            if isinstance(event, ChoiceDelta):
                outputs[event.request_id] += event.token_ids
            num_ended += isinstance(event, RequestEnded)
    assert num_batches <= 7
    for request in requests:
        assert outputs[request.request_id] == client.paper.alone(request)


def test_it_sleeps_when_there_is_nothing_to_do_and_wakes_up(client: Client) -> None:
    client.submit("first")
    assert client.ends(1) == {"first": None}
    steps = count_steps(client.paper.core)
    time.sleep(0.1)
    assert len(steps) <= 1  # it may have been about to look
    client.submit("second")
    assert client.ends(1) == {"second": None}
    assert len(steps) >= 5


def count_steps(core: EngineCore) -> list[None]:
    """Grows by one at every call of `step` from now on."""
    steps: list[None] = []
    step = core.step

    def counted() -> list[Event]:
        steps.append(None)
        return step()

    core.step = counted  # type: ignore[method-assign]
    return steps


def test_it_says_how_busy_it_is_and_when_it_has_ended(client: Client) -> None:
    client.may_step.clear()
    client.submit("first", num_choices=2)
    while client.engine.load.num_running < 1:
        time.sleep(0.001)
    client.submit("second")
    load = client.engine.load
    assert load.num_running + load.num_waiting == 3
    assert load.num_free_pages < load.num_pages == 200
    assert client.engine.num_requests == 2
    assert not client.engine.drain(timeout_s=0.0)
    states = [load.state, client.engine.load.state]
    assert not client.engine.wait_ended(timeout_s=0.0)
    client.may_step.set()
    client.ends(2)
    client.engine.close()
    assert client.engine.wait_ended(PATIENCE_S)
    assert [*states, client.engine.load.state] == list(ServingState)
    assert client.engine.num_requests == 0


def test_cancel_ends_a_request_and_frees_its_pages(client: Client) -> None:
    client.submit("long", max_tokens=None)
    while not client.paper.model.steps:
        client.batches.get(timeout=PATIENCE_S)
    client.engine.cancel("long")
    client.engine.cancel("never heard of")
    (error,) = client.ends(1).values()
    assert isinstance(error, RequestCancelledError)
    assert client.paper.core.pool.num_free == 200


def test_a_request_may_time_out(client: Client) -> None:
    client.submit("slow", max_tokens=None, timeout_s=5.0)
    client.paper.now = time.monotonic() + 10
    (error,) = client.ends(1).values()
    assert error is not None
    assert error.grpc_code.name == "DEADLINE_EXCEEDED"
    assert "did not end within 5 s" in str(error)


def test_more_than_may_wait_is_refused_before_it_is_accepted() -> None:
    client = Client(max_waiting=6)
    client.may_step.clear()
    for number in range(3):
        client.submit(f"{number}", num_choices=2)
    with pytest.raises(CapacityError, match="at most 6 may wait"):
        client.submit("one too many")
    client.may_step.set()
    assert set(client.ends(3).values()) == {None}
    client.submit("now there is room")
    client.ends(1)
    client.engine.close()


def test_more_choices_than_may_ever_wait_are_refused_for_good() -> None:
    client = Client(max_waiting=6)
    with pytest.raises(InvalidRequestError, match="num_choices is 7; at most 6 sequences may wait"):
        client.submit("wide", num_choices=7)
    client.engine.close()


def test_a_cancel_concerns_who_was_there_when_it_came(client: Client) -> None:
    """In one step's time: the first ends, is cancelled too late, and another takes its name."""
    client.engine.cancel("a name to come")
    client.submit("a name to come")
    assert client.ends(1) == {"a name to come": None}


def test_two_live_requests_cannot_have_one_name(client: Client) -> None:
    client.may_step.clear()
    client.submit("same")
    with pytest.raises(InvalidRequestError, match="'same' is already here"):
        client.submit("same")
    client.may_step.set()
    client.ends(1)
    client.submit("same")
    client.ends(1)


def test_drain_takes_nothing_new_and_finishes_what_there_is(client: Client) -> None:
    client.may_step.clear()
    client.submit("running")
    assert not client.engine.drain(timeout_s=0.01)
    with pytest.raises(EngineStoppedError, match="takes no new requests"):
        client.submit("late")
    client.may_step.set()
    assert client.engine.drain(PATIENCE_S)
    assert client.ends(1) == {"running": None}


def test_a_drain_ends_when_the_last_event_has_been_delivered(client: Client) -> None:
    client.may_hear.clear()
    client.submit("only", max_tokens=1)
    assert not client.engine.drain(timeout_s=0.2)
    client.may_hear.set()
    assert client.engine.drain(PATIENCE_S)
    assert client.ends(1) == {"only": None}


def test_close_ends_everything_with_an_event(client: Client) -> None:
    client.may_step.clear()
    for number in range(6):
        client.submit(f"{number}", max_tokens=None)
    closing = threading.Thread(target=client.engine.close)
    closing.start()
    client.may_step.set()
    assert all(isinstance(error, EngineStoppedError) for error in client.ends(6).values())
    closing.join(PATIENCE_S)
    with pytest.raises(EngineStoppedError, match="was stopped"):
        client.submit("too late")


def test_a_model_that_breaks_ends_everything_with_an_event(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.may_step.clear()
    for number in range(3):
        client.submit(f"{number}")
    client.fail_with = RuntimeError("the device is gone")
    client.may_step.set()
    for error in client.ends(3).values():
        assert isinstance(error, EngineStoppedError)
        assert "the device is gone" in str(error)
        assert error.retryable
    with pytest.raises(EngineStoppedError, match="the device is gone"):
        client.submit("too late")
    client.engine.close()
    assert "the engine broke" in caplog.text


def test_a_listener_that_breaks_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    broken = Engine(client.paper.core, client.paper.admission, max_waiting=5, deliver=raise_it)
    client.engine.close()
    closed = threading.Event()
    client.paper.core.close = closed.set  # type: ignore[method-assign]
    broken.start()
    broken.submit(GenerationRequest("one", (1, 2), GREEDY, max_tokens=3))
    assert broken.drain(PATIENCE_S)
    broken.close()
    assert closed.is_set()
    assert "nobody listens" in caplog.text
    with pytest.raises(EngineStoppedError, match="nobody listens"):
        broken.submit(GenerationRequest("two", (1, 2), GREEDY, max_tokens=3))


def raise_it(events: Sequence[Event]) -> None:
    raise RuntimeError(f"nobody listens to {len(events)} events")


def test_an_engine_that_never_started_ends_what_it_took() -> None:
    paper = PaperEngine(num_pages=200)
    delivered: list[Event] = []
    engine = Engine(paper.core, paper.admission, max_waiting=5, deliver=delivered.extend)
    engine.submit(GenerationRequest("one", (1, 2), GREEDY, max_tokens=3))
    engine.close()
    (event,) = delivered
    assert isinstance(event, RequestEnded)
    assert isinstance(event.error, EngineStoppedError)


def test_submitting_from_many_threads(client: Client) -> None:
    def submit(thread: int) -> None:
        for number in range(5):
            while True:
                try:
                    client.submit(f"{thread} {number}", max_tokens=2)
                    break
                except CapacityError:
                    time.sleep(0.001)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    ended = client.ends(40)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(ended) == 40
    assert set(ended.values()) == {None}
