"""Messages both ways on one gRPC call, as lanes use it: bytes out from any thread, bytes in as they come.

`open_stream` gives the fastest that this grpcio is known to bear: `router.direct_stream`, else the one here,
which asks nothing of grpcio but what it promises. Not here: what messages mean, credits, and opening again.
"""

import queue
from collections.abc import Callable
from typing import Protocol

import grpc

from router.direct_stream import ENDED, DirectStream

Take = Callable[[bytes], None]
"""Called with each message, one after the other, from a thread of gRPC's or from that of `run`."""


class Stream(Protocol):
    """`run` once; `send` and `cancel` meanwhile, from any thread. Later they do nothing."""

    def run(self) -> str:
        """From its beginning to its end. -> why it ended; raises what `take` raises."""
        ...

    def send(self, message: bytes) -> None: ...

    def cancel(self) -> None: ...


class StreamOpener(Protocol):
    def __call__(self, channel: grpc.Channel, method: str, take: Take) -> Stream: ...


def open_stream(channel: grpc.Channel, method: str, take: Take) -> Stream:
    """Nothing is sent before `run`."""
    if DirectStream.is_known_to_work():
        return DirectStream(channel, method, take)
    return ThreadedStream(channel, method, take)


class ThreadedStream:
    """A thread of gRPC's pulls what is sent, and the thread of `run` takes what comes."""

    def __init__(self, channel: grpc.Channel, method: str, take: Take) -> None:
        self._stub: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
        self._take = take
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._call: grpc.Call | None = None

    def run(self) -> str:
        call: grpc._CallIterator[bytes] = self._stub(iter(self._outgoing.get, None))
        self._call = call
        try:
            for message in call:
                self._take(message)
        except grpc.RpcError as error:
            return _reason(error)
        finally:
            call.cancel()
            self._outgoing.put(None)
        return ENDED

    def send(self, message: bytes) -> None:
        self._outgoing.put(message)

    def cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()


def _reason(error: grpc.RpcError) -> str:
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    return f"{code().name}: {details()}" if code and details else repr(error)
