"""The engine with its thread: the door, the limits, the ways to stop."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from model.sampling.parameters import SamplingParameters
from protos.errors import (
    CapacityError,
    EngineStoppedError,
    ExpertMeshError,
    InvalidRequestError,
    RequestCancelledError,
)
from tests.workers.engine.paper_engine import PaperEngine
from workers.engine.engine import Engine
from workers.engine.events import ChoiceDelta, Event, RequestEnded
from workers.engine.request import GenerationRequest
from workers.engine.step_work import Work, WorkResult

GREEDY = SamplingParameters(temperature=0.0)
PATIENCE_S = 30.0


class Client:
    """An engine and what it has delivered."""

    def __init__(self, max_waiting: int = 20) -> None:
        self.paper = PaperEngine(num_pages=200)
        self.may_step = threading.Event()
        self.may_step.set()
        self._run_step: Callable[[Sequence[Work]], list[WorkResult]] = self.paper.model.run
        self.paper.core._model = self
        self.fail_with: Exception | None = None
        self.batches: queue.SimpleQueue[Sequence[Event]] = queue.SimpleQueue()
        self.engine = Engine(
            self.paper.core, self.paper.admission, max_waiting=max_waiting, deliver=self.batches.put
        )
        self.engine.start()

    def run(self, works: Sequence[Work]) -> list[WorkResult]:
        """Of a step model: waits until it may, and breaks when it is told to."""
        assert self.may_step.wait(PATIENCE_S)
        if self.fail_with is not None:
            raise self.fail_with
        return self._run_step(works)

    def forget(self, choice_key: int) -> None:
        self.paper.model.forget(choice_key)

    def close(self) -> None:
        self.paper.model.close()

    def submit(self, name: str, **wishes: int | float | None) -> GenerationRequest:
        request = GenerationRequest(name, (1, 2, 3), GREEDY, **{"max_tokens": 5, **wishes})  # type: ignore[arg-type]
        self.engine.submit(request)
        return request

    def ends(self, count: int) -> dict[str, ExpertMeshError | None]:
        """The next so many terminal events."""
        found: dict[str, ExpertMeshError | None] = {}
        while len(found) < count:
            for event in self.batches.get(timeout=PATIENCE_S):
                if isinstance(event, RequestEnded):
                    assert event.request_id not in found
                    found[event.request_id] = event.error
        return found


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
    begun = time.thread_time()
    num_steps = len(client.paper.model.steps)
    time.sleep(0.1)
    assert len(client.paper.model.steps) == num_steps
    assert time.thread_time() - begun < 0.05
    client.submit("second")
    assert client.ends(1) == {"second": None}


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


def test_two_live_requests_cannot_have_one_name(client: Client) -> None:
    client.may_step.clear()
    client.submit("same")
    with pytest.raises(InvalidRequestError, match="'same' is already here"):
        client.submit("same")
    client.may_step.set()
    client.ends(1)
    while True:  # the name is free when the event is out
        try:
            client.submit("same")
            break
        except InvalidRequestError:
            time.sleep(0.001)
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
