"""A lane alone: credits are never exceeded, what waits goes out in order, a lost stream is opened again."""

import queue
import threading
from collections.abc import Iterator

import grpc
import pytest

from router.channel import listen, make_server
from router.dispatch_frames import Refusal, RefusalReason
from router.lane import METHOD, FrameArrived, Lane, LaneEvent, LaneLost, LaneOpened
from router.stream import StreamOpener
from tests.router.scripted_worker import HELLO, MAX_FRAME_BYTES, PATIENCE_S, replace_hello, wait_for

CREDITS = 3


class CountingWorker:
    """Reads all that it is sent at once, and answers when it is told: so it sees how much is on its way."""

    def __init__(self) -> None:
        self.frames: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.most_unanswered = 0
        self.num_streams = 0
        self.num_unanswered = 0
        self._lock = threading.Lock()
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._server = make_server(8, MAX_FRAME_BYTES)
        service, method = METHOD.strip("/").split("/")
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            method: grpc.stream_stream_rpc_method_handler(self._exchange)
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.address = f"127.0.0.1:{listen(self._server, '127.0.0.1:0')}"
        self._server.start()

    def answer(self, *frames: bytes) -> None:
        """One is the answer; any more are too many."""
        with self._lock:
            self.num_unanswered -= 1
        for frame in frames:
            self._answers.put(frame)

    def end_stream(self) -> None:
        self._answers.put(None)

    def stop(self) -> None:
        self.end_stream()
        self._server.stop(0).wait()

    def _exchange(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        self.num_streams += 1
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()
        yield replace_hello(HELLO, worker="a", credits=CREDITS).encode()
        yield from iter(self._answers.get, None)

    def _read(self, requests: Iterator[bytes]) -> None:
        try:
            for frame in requests:
                with self._lock:
                    self.num_unanswered += 1
                    self.most_unanswered = max(self.most_unanswered, self.num_unanswered)
                self.frames.put(frame)
        except grpc.RpcError:
            return  # the stream has ended


@pytest.fixture
def worker() -> Iterator[CountingWorker]:
    worker = CountingWorker()
    yield worker
    worker.stop()


Inbox = queue.SimpleQueue[LaneEvent]


@pytest.fixture
def inbox() -> Inbox:
    return queue.SimpleQueue()


@pytest.fixture
def lane(worker: CountingWorker, inbox: Inbox, opener: StreamOpener) -> Iterator[Lane]:
    lane = Lane("a", worker.address, inbox, max_frame_bytes=MAX_FRAME_BYTES, opener=opener)
    lane.start()
    opened = inbox.get(timeout=PATIENCE_S)
    assert isinstance(opened, LaneOpened)
    assert opened.hello.credits == CREDITS
    yield lane
    lane.close()


def test_no_more_are_on_their_way_than_there_are_credits_and_none_is_lost(
    worker: CountingWorker, lane: Lane, inbox: Inbox
) -> None:
    sent = [f"frame {number}".encode() for number in range(20)]
    for frame in sent:
        lane.send(frame)
    wait_for(lambda: worker.num_unanswered == CREDITS)
    for frame in sent:
        assert worker.frames.get(timeout=PATIENCE_S) == frame
        worker.answer(frame)
        arrived = inbox.get(timeout=PATIENCE_S)
        assert isinstance(arrived, FrameArrived)
        assert arrived.data == frame
    assert worker.most_unanswered == CREDITS


def test_answers_that_nobody_asked_for_give_no_credit(
    worker: CountingWorker, lane: Lane, inbox: Inbox
) -> None:
    for _ in range(5):
        lane.send(b"first")
        worker.frames.get(timeout=PATIENCE_S)
        worker.answer(b"one", b"too", b"many")
        for _ in range(3):
            assert isinstance(inbox.get(timeout=PATIENCE_S), FrameArrived)
    for _ in range(10):
        lane.send(b"then")
    wait_for(lambda: worker.num_unanswered >= CREDITS)
    for _ in range(10):
        worker.frames.get(timeout=PATIENCE_S)
        worker.answer(b"one")
    assert worker.most_unanswered == CREDITS


def test_what_has_not_been_sent_can_be_dropped(worker: CountingWorker, lane: Lane, inbox: Inbox) -> None:
    for number in range(5):
        lane.send(f"{number}".encode())
    lane.drop_waiting()
    for _ in range(CREDITS):
        worker.frames.get(timeout=PATIENCE_S)
        worker.answer(b"")
        inbox.get(timeout=PATIENCE_S)
    lane.send(b"next")
    assert worker.frames.get(timeout=PATIENCE_S) == b"next"


def test_a_stream_that_ends_is_opened_again(worker: CountingWorker, lane: Lane, inbox: Inbox) -> None:
    for _ in range(CREDITS + 1):
        lane.send(b"lost")
    frames = [worker.frames.get(timeout=PATIENCE_S) for _ in range(CREDITS)]
    worker.end_stream()
    lost = inbox.get(timeout=PATIENCE_S)
    assert isinstance(lost, LaneLost)
    assert (lost.lane, lost.reason, lost.was_open) == (lane, "the worker has ended the stream", True)
    assert isinstance(inbox.get(timeout=PATIENCE_S), LaneOpened)
    lane.send(b"found")
    frames.append(worker.frames.get(timeout=PATIENCE_S))
    assert frames == [b"lost"] * CREDITS + [b"found"]
    assert worker.num_streams == 2


def test_a_stream_that_cannot_be_trusted_is_restarted_for_the_reason_that_is_given(
    worker: CountingWorker, lane: Lane, inbox: Inbox
) -> None:
    lane.restart("it sent nonsense")
    lost = inbox.get(timeout=PATIENCE_S)
    assert isinstance(lost, LaneLost)
    assert lost.reason == "it sent nonsense"
    assert isinstance(inbox.get(timeout=PATIENCE_S), LaneOpened)
    worker.stop()
    again = inbox.get(timeout=PATIENCE_S)
    assert isinstance(again, LaneLost)
    assert again.reason != "it sent nonsense"


def test_a_closed_lane_says_nothing_more(worker: CountingWorker, inbox: Inbox, opener: StreamOpener) -> None:
    lane = Lane("a", worker.address, inbox, max_frame_bytes=MAX_FRAME_BYTES, opener=opener)
    lane.start()
    assert isinstance(inbox.get(timeout=PATIENCE_S), LaneOpened)
    lane.close()
    lane.send(b"into nothing")
    lane.restart("too late")
    assert inbox.empty()


def test_a_worker_that_greets_otherwise_was_never_open(inbox: Inbox, opener: StreamOpener) -> None:
    refusal = Refusal(None, RefusalReason.FAILED, "no", 0)
    server = make_server(2, MAX_FRAME_BYTES)
    service, method = METHOD.strip("/").split("/")

    def exchange(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: ARG001
        yield refusal.encode()

    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        method: grpc.stream_stream_rpc_method_handler(exchange)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    address = f"127.0.0.1:{listen(server, '127.0.0.1:0')}"
    lane = Lane("a", address, inbox, max_frame_bytes=MAX_FRAME_BYTES, opener=opener)
    server.start()
    lane.start()
    try:
        lost = inbox.get(timeout=PATIENCE_S)
        assert isinstance(lost, LaneLost)
        assert not lost.was_open
        assert "a REFUSAL frame has come where it must be a HELLO" in lost.reason
    finally:
        lane.close()
        server.stop(0).wait()
