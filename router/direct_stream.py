"""A stream that spares the threads which grpcio's own streams put between a caller and gRPC.

What is sent goes to gRPC on the thread that sends it, and what comes is taken on the thread that gRPC brings
it on. grpcio has no public way to either, so this, alone in ExpertMesh, uses what it keeps to itself: only
with versions where it was tried (ADR 10). Elsewhere `router.stream` takes the public way.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol, cast

import grpc

TRIED_VERSIONS = ("1.85.",)
ENDED = "the worker has ended the stream"
_NO_FLAGS = 0


class _Operation(Protocol):
    """One that gRPC has done; of a kind, which says what else it has."""

    def type(self) -> int: ...

    def message(self) -> bytes | None: ...

    def code(self) -> int: ...

    def details(self) -> str: ...


class _Event(Protocol):
    batch_operations: Sequence[_Operation]


_Told = Callable[[_Event], bool]
"""Called when operations are done; -> whether nothing more of the whole call is to come."""


class _Call(Protocol):
    def operate(self, operations: Sequence[object], tell: _Told) -> bool: ...

    def cancel(self, code: int, details: str) -> None: ...


class _Stub(Protocol):
    """What grpcio makes of a method, seen from inside."""

    _method: bytes
    _context: object

    def _managed_call(self, *what: object) -> _Call: ...


class DirectStream:
    """A `router.stream.Stream`. All that comes on its channel waits while a message is taken."""

    def __init__(self, channel: grpc.Channel, method: str, take: Callable[[bytes], None]) -> None:
        self._stub = cast(_Stub, channel.stream_stream(method))
        self._take = take
        self._grpc = import_module("grpc._cython.cygrpc")
        self._lock = threading.Lock()
        self._call: _Call | None = None
        self._num_started = 0  # operations of which gRPC has not yet told
        self._is_sending = False  # gRPC takes one message at a time
        self._outgoing: deque[bytes] = deque()
        self._has_ended = threading.Event()
        self._status = (0, "")
        self._error: Exception | None = None

    @staticmethod
    def is_known_to_work() -> bool:
        return grpc.__version__.startswith(TRIED_VERSIONS)

    def run(self) -> str:
        self._begin()
        self._has_ended.wait()
        if self._error is not None:
            raise self._error
        code, details = self._status
        return f"{self._names()[code]}: {details}" if code else ENDED

    def send(self, message: bytes) -> None:
        with self._lock:
            if self._is_sending:
                self._outgoing.append(message)
            else:
                self._send(message)

    def cancel(self) -> None:
        if self._call is not None:
            self._call.cancel(self._grpc.StatusCode.cancelled, "cancelled here")

    def _begin(self) -> None:
        made, stub = self._grpc, self._stub
        whole_call = (
            made.SendInitialMetadataOperation(None, _NO_FLAGS),
            made.ReceiveStatusOnClientOperation(_NO_FLAGS),
        )
        greeting = (made.ReceiveInitialMetadataOperation(_NO_FLAGS),)
        host = deadline = metadata = credentials = registered = None
        with self._lock:
            self._call = stub._managed_call(
                _NO_FLAGS,
                stub._method,
                host,
                deadline,
                metadata,
                credentials,
                (whole_call, greeting),
                self._began_or_ended,
                stub._context,
                registered,
            )
            self._num_started = 2
            self._receive()

    def _send(self, message: bytes) -> None:
        self._is_sending = self._operate(self._grpc.SendMessageOperation(message, _NO_FLAGS), self._sent)

    def _receive(self) -> None:
        self._operate(self._grpc.ReceiveMessageOperation(_NO_FLAGS), self._received)

    def _operate(self, operation: object, tell: _Told) -> bool:
        """The lock is held. -> whether it was started; else the call is over."""
        assert self._call is not None, "a stream is run before it is used"
        is_started = self._call.operate((operation,), tell)
        self._num_started += is_started
        return is_started

    def _received(self, event: _Event) -> bool:
        message = event.batch_operations[0].message()
        if message is not None:  # else there are no more
            try:
                self._take(message)
                with self._lock:
                    self._receive()
            except Exception as error:
                self._break(error)
        return self._is_over()

    def _sent(self, _: _Event) -> bool:
        try:
            with self._lock:
                self._is_sending = False
                if self._outgoing:
                    self._send(self._outgoing.popleft())
        except Exception as error:
            self._break(error)
        return self._is_over()

    def _break(self, error: Exception) -> None:
        """It ends this stream, and not the thread of gRPC's that all of the channel shares."""
        self._error = error
        self.cancel()

    def _began_or_ended(self, event: _Event) -> bool:
        for operation in event.batch_operations:
            if operation.type() == self._grpc.OperationType.receive_status_on_client:
                self._status = (operation.code(), operation.details())
                self._has_ended.set()
        return self._is_over()

    def _is_over(self) -> bool:
        """After each operation; gRPC wants to hear it once."""
        with self._lock:
            self._num_started -= 1
            return self._num_started == 0

    def _names(self) -> dict[int, str]:
        return {code.value[0]: code.name for code in grpc.StatusCode}
