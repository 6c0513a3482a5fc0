"""An attention worker whose model is on paper and steps when the test lets it, and a gateway's raw stream."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import grpc

from protos.gen.v1 import attention_pb2 as pb
from protos.gen.v1 import attention_pb2_grpc
from router.channel import open_channel
from tests.workers.engine.paper_engine import PaperEngine
from workers.attention.limits import MAX_MESSAGE_BYTES
from workers.attention.server import AttentionServer
from workers.attention.service import ServedModel
from workers.attention.switchboard import Switchboard
from workers.engine.engine import Engine
from workers.engine.step_work import Work, WorkResult

PATIENCE_S = 30.0
NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1 << 14))

PAPER = ServedModel("paper", vocab_size=50)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


class PaperWorker:
    """Serves from its making to `close`."""

    def __init__(
        self,
        *,
        max_waiting: int = 20,
        max_reports: int = 4096,
        load_every_s: float = 0.05,
        served: ServedModel = PAPER,
        paper: PaperEngine | None = None,
    ) -> None:
        self.paper = paper or PaperEngine(num_pages=200)
        self.may_step = threading.Event()
        self.may_step.set()
        self.steps_left: int | None = None  # before it waits again
        self.step_s = 0.0  # how long a step takes at least
        self.fail_with: Exception | None = None
        self.paper.core._model = self
        self.switchboard = Switchboard(max_reports)
        self.engine = Engine(
            self.paper.core,
            self.paper.admission,
            max_waiting=max_waiting,
            deliver=self.switchboard.deliver,
        )
        self.server = AttentionServer(
            self.engine,
            self.switchboard,
            served,
            "127.0.0.1",
            load_every_s=load_every_s,
            epoch=lambda: 7,
        )
        self.engine.start()
        self.server.start()

    @property
    def num_free_pages(self) -> int:
        return self.paper.core.pool.num_free

    def run(self, works: Sequence[Work]) -> list[WorkResult]:
        """Of a step model."""
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                self.may_step.clear()
        assert self.may_step.wait(PATIENCE_S)
        time.sleep(self.step_s)
        if self.fail_with is not None:
            raise self.fail_with
        return self.paper.model.run(works)

    def let_go(self) -> None:
        self.steps_left = None
        self.may_step.set()

    def forget(self, choice_key: int) -> None:
        self.paper.model.forget(choice_key)

    def close(self) -> None:
        """Also called by the core, as a step model's."""

    def shut_down(self) -> None:
        self.let_go()
        self.server.stop()
        self.engine.close()


class RawStream:
    """One Attach stream, message by message. A narrow one holds little of what is not read."""

    def __init__(self, address: str, *, is_narrow: bool = False) -> None:
        self._commands: queue.SimpleQueue[pb.AttachRequest | None] = queue.SimpleQueue()
        narrow = grpc.insecure_channel(address, NARROW) if is_narrow else None
        self.channel = narrow or open_channel(address, MAX_MESSAGE_BYTES)
        self.stub = attention_pb2_grpc.AttentionServiceStub(self.channel)
        self.call: Iterator[pb.AttachResponse] = self.stub.Attach(iter(self._commands.get, None))

    def submit(self, request_id: str, **fields: object) -> None:
        request = pb.GenerationRequest(request_id=request_id, prompt=[1, 2, 3], **fields)  # type: ignore[arg-type]
        if not request.HasField("sampling"):
            request.sampling.temperature = 0.0
        self._commands.put(pb.AttachRequest(submit=pb.Submit(request=request)))

    def cancel(self, request_id: str) -> None:
        self._commands.put(pb.AttachRequest(cancel=pb.Cancel(request_id=request_id)))

    def loads(self) -> Iterator[pb.Load]:
        yield from (message.load for message in self.call if message.WhichOneof("report") == "load")

    def answers(self) -> Iterator[pb.AttachResponse]:
        """All but loads."""
        yield from (message for message in self.call if message.WhichOneof("report") != "load")

    def outcomes(self, count: int) -> dict[str, list[pb.AttachResponse | pb.Event]]:
        """Everything that is said of each request, until so many have ended or been refused."""
        found: dict[str, list[pb.AttachResponse | pb.Event]] = {}
        for message in self.answers():
            match message.WhichOneof("report"):
                case "accepted":
                    found.setdefault(message.accepted.request_id, []).append(message)
                case "refused":
                    found.setdefault(message.refused.request_id, []).append(message)
                    count -= 1
                case "step":
                    for event in message.step.events:
                        found.setdefault(event.request_id, []).append(event)
                        count -= event.HasField("ended")
            if count == 0:
                break
        return found

    def leave(self) -> None:
        """Close our side."""
        self._commands.put(None)

    def close(self) -> None:
        self.leave()
        self.call.cancel()  # type: ignore[attr-defined]
        self.channel.close()


def status_of(error: grpc.RpcError) -> grpc.StatusCode:
    code: grpc.StatusCode = error.code()
    return code
