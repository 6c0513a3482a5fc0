"""Workers that do what a test tells them, behind real gRPC: honest ones, and ones that misbehave."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import grpc
import numpy as np
from numpy.typing import NDArray

from protos.errors import FrameError
from router.channel import listen, make_server
from router.dispatch_frames import CombineMode, Dispatch, Hello, Refusal, RefusalReason, Reply
from router.frame import decode
from router.lane import METHOD
from router.rows import RowFormat

HIDDEN = 5
MAX_FRAME_BYTES = 1 << 20
HELLO = Hello("", "model", "arithmetic", 0, 4, MAX_FRAME_BYTES)
PATIENCE_S = 20.0

Answers = Sequence[bytes]
Behaviour = Callable[["ScriptedWorker", Dispatch], Answers]


def expert_rows(layer: int, experts: NDArray[np.int64], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the experts of these tests do; each row's bits depend on it alone. rows: [assignments, hidden]"""
    factors = (1 + layer + experts / 7).astype(np.float32)
    return np.asarray(np.tanh(rows * factors[:, None]), dtype=np.float32)


def honest(_: "ScriptedWorker", dispatch: Dispatch) -> Answers:
    return [reply_to(dispatch).encode()]


def reply_to(dispatch: Dispatch) -> Reply:
    assert dispatch.row_format is RowFormat.FLOAT32
    x = np.frombuffer(dispatch.row_sections[0], "<f4").reshape(dispatch.num_rows, HIDDEN)
    rows = expert_rows(dispatch.layer, dispatch.experts.astype(np.int64), x[dispatch.rows])
    rows *= dispatch.weights[:, None]
    if dispatch.combine is CombineMode.REDUCED:
        total = np.zeros((dispatch.num_rows, HIDDEN), np.float32)
        np.add.at(total, dispatch.rows, rows)
        rows = total
    return Reply(dispatch.number, 5, dispatch.row_format, [rows.data.cast("B")])


def refuses(reason: RefusalReason, message: str = "not today") -> Behaviour:
    return lambda _, dispatch: [Refusal(dispatch.number, reason, message, 0).encode()]


def hung(worker: "ScriptedWorker", _: Dispatch) -> Answers:
    """Until the worker stops; then nothing."""
    worker.is_stopping.wait(PATIENCE_S)
    return []


def when_released(release: threading.Event) -> Behaviour:
    """Slow, but honest."""

    def wait(worker: "ScriptedWorker", dispatch: Dispatch) -> Answers:
        assert release.wait(PATIENCE_S)
        return honest(worker, dispatch)

    return wait


class BreakStreamError(Exception):
    """Raised by a behaviour: the stream ends with an error."""


def breaks(_: "ScriptedWorker", __: Dispatch) -> Answers:
    raise BreakStreamError


@dataclass
class ScriptedWorker:
    """Behaves as it is told for each dispatch in turn, and honestly when nothing is told any more."""

    name: str
    hello: Hello = HELLO
    port: int = 0
    script: "queue.SimpleQueue[Behaviour]" = field(default_factory=queue.SimpleQueue)
    seen: list[Dispatch] = field(default_factory=list)
    bad_frames: list[FrameError] = field(default_factory=list)
    always: Behaviour = honest
    is_stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if not self.hello.worker:
            self.hello = replace_hello(self.hello, worker=self.name)
        self._server = make_server(8, MAX_FRAME_BYTES)
        service, method = METHOD.strip("/").split("/")
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            method: grpc.stream_stream_rpc_method_handler(self._exchange)
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.port = listen(self._server, f"127.0.0.1:{self.port}")
        self._server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def tell(self, *behaviours: Behaviour) -> None:
        for behaviour in behaviours:
            self.script.put(behaviour)

    def stop(self) -> None:
        self.is_stopping.set()
        self._server.stop(0).wait()

    def _exchange(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        yield self.hello.encode()
        for data in requests:
            try:
                answers = self._answers(data)
            except BreakStreamError:
                context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")
            yield from answers

    def _answers(self, data: bytes) -> Answers:
        try:
            dispatch = Dispatch.of(decode(data, MAX_FRAME_BYTES))
        except FrameError as error:
            self.bad_frames.append(error)
            return [Refusal.because(error, None, 0).encode()]
        self.seen.append(dispatch)
        try:
            behaviour = self.script.get_nowait()
        except queue.Empty:
            behaviour = self.always
        return behaviour(self, dispatch)


def replace_hello(hello: Hello, **changes: str | int) -> Hello:
    return Hello(**{**hello._asdict(), **changes})


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.002)
