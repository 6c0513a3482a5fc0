"""A stream to an expert worker without any of our own sending code: bytes out, bytes back."""

import queue

import grpc

from router.channel import open_channel
from router.lane import METHOD


class RawFrames:
    """One frame is asked at a time."""

    def __init__(self, address: str, max_bytes: int) -> None:
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._channel = open_channel(address, max_bytes)
        stub: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(METHOD)
        self._answers = stub(iter(self._outgoing.get, None), timeout=60)
        self.greeting: bytes = next(self._answers)

    def ask(self, data: bytes) -> bytes:
        self._outgoing.put(data)
        answer: bytes = next(self._answers)
        return answer

    def close(self) -> None:
        self._outgoing.put(None)
        self._channel.close()
