"""Both ways of running a stream carry every message in order, say why they ended, and end once."""

import queue
import threading
from collections.abc import Iterator

import grpc
import pytest

from router.channel import listen, make_server, open_channel
from router.direct_stream import DirectStream
from router.stream import Stream, StreamOpener, ThreadedStream, open_stream
from tests.router.scripted_worker import PATIENCE_S

METHOD = "/expertmesh.test/Repeat"
MOST_BYTES = 1 << 20


def repeat(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    for message in requests:
        if message == b"end":
            return
        if message == b"abort":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")
        yield message


@pytest.fixture
def channel() -> Iterator[grpc.Channel]:
    server = make_server(4, MOST_BYTES)
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Repeat": grpc.stream_stream_rpc_method_handler(repeat)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("expertmesh.test", handlers),))
    port = listen(server, "127.0.0.1:0")
    server.start()
    channel = open_channel(f"127.0.0.1:{port}", MOST_BYTES)
    yield channel
    channel.close()
    server.stop(0).wait()


class Running:
    """A stream and the thread that runs it."""

    def __init__(self, opener: StreamOpener, channel: grpc.Channel) -> None:
        self.taken: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.ends: list[str | Exception] = []
        self.stream: Stream = opener(channel, METHOD, self._take)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> str | Exception:
        self._thread.join(PATIENCE_S)
        assert len(self.ends) == 1, "it runs still"
        return self.ends[0]

    def _take(self, message: bytes) -> None:
        if message == b"stumble":
            raise LookupError("over this")
        self.taken.put(message)

    def _run(self) -> None:
        try:
            self.ends.append(self.stream.run())
        except Exception as error:
            self.ends.append(error)


@pytest.fixture
def running(opener: StreamOpener, channel: grpc.Channel) -> Running:
    return begun(opener, channel)


def begun(opener: StreamOpener, channel: grpc.Channel) -> Running:
    """A stream that has carried a message, so that everything of it stands."""
    running = Running(opener, channel)
    for _ in range(1000):  # what is sent before it runs may be lost
        try:
            running.stream.send(b"first")
            break
        except AssertionError:
            threading.Event().wait(0.001)
    assert running.taken.get(timeout=PATIENCE_S) == b"first"
    return running


def test_messages_come_back_whole_and_in_order_however_fast_they_are_sent(running: Running) -> None:
    sent = [bytes([number % 251]) * (number * 37 % 5000 + 1) for number in range(300)]
    for message in sent:
        running.stream.send(message)
    assert [running.taken.get(timeout=PATIENCE_S) for _ in sent] == sent


def test_it_says_why_it_ended(running: Running) -> None:
    running.stream.send(b"end")
    assert running.end() == "the worker has ended the stream"


def test_it_gives_the_status_of_a_stream_that_failed(running: Running) -> None:
    running.stream.send(b"abort")
    assert running.end() == "RESOURCE_EXHAUSTED: enough"


def test_it_can_be_cancelled_and_nothing_happens_afterwards(running: Running) -> None:
    running.stream.cancel()
    assert str(running.end()).startswith("CANCELLED")
    running.stream.cancel()
    running.stream.send(b"into nothing")
    assert running.taken.empty()


def test_what_take_raises_ends_this_stream_and_no_other(opener: StreamOpener, channel: grpc.Channel) -> None:
    one, other = begun(opener, channel), begun(opener, channel)
    one.stream.send(b"stumble")
    assert isinstance(one.end(), LookupError)
    other.stream.send(b"on")
    assert other.taken.get(timeout=PATIENCE_S) == b"on"


def test_a_channel_that_closes_ends_it(running: Running, channel: grpc.Channel) -> None:
    channel.close()
    assert "CANCELLED" in str(running.end())


def test_a_channel_can_be_used_again_and_its_thread_ends_with_the_last_stream(
    opener: StreamOpener, channel: grpc.Channel
) -> None:
    for _ in range(5):
        running = begun(opener, channel)
        running.stream.send(b"end")
        running.end()
    assert begun(opener, channel).taken.empty()


def test_the_fast_one_is_taken_where_it_is_known_to_work(channel: grpc.Channel) -> None:
    kind = DirectStream if DirectStream.is_known_to_work() else ThreadedStream
    assert type(open_stream(channel, METHOD, lambda _: None)) is kind
