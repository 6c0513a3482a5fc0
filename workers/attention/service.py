"""AttentionService: gateways attach to an engine, submit and cancel, and hear what it says.

It only translates and routes. Not here: what a request may be (workers.engine), health and port (`server`).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import grpc

from protos.errors import CapacityError, ExpertMeshError
from protos.gen.v1 import attention_pb2 as pb
from protos.gen.v1 import attention_pb2_grpc
from workers.attention.attachment import Accepted, Attachment, Refused, Report
from workers.attention.event_codec import error_to_message, event_to_message, load_to_message
from workers.attention.request_codec import request_from_message
from workers.attention.switchboard import Switchboard
from workers.engine.door import EngineDoor

logger = logging.getLogger(__name__)

_NUM_ADMITTING = 4
"""Threads that admit requests: one whose grammar takes long to compile does not hold up the others."""
_RETRY_AFTER_S = 1.0
_SEND_WITHIN_S = 2.0
"""A gateway that does not read its last events by then does not hold up a drain."""
_STEP_BYTES = 4 << 20
"""More events of one step than this go out in several messages."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What does not change while a worker runs."""

    fingerprint: str  # equal where the same requests give the same tokens
    vocab_size: int
    vocabulary: str | None = None  # its tokenizer's fingerprint; None: it has none


class AttentionServicer(attention_pb2_grpc.AttentionServiceServicer):
    """One for each engine, whose `deliver` is the switchboard's."""

    def __init__(
        self,
        engine: EngineDoor,
        switchboard: Switchboard,
        model: ServedModel,
        *,
        load_every_s: float,
        epoch: Callable[[], int | None],
        drains: Callable[[], None],
    ) -> None:
        """`drains` is called when nothing new is taken from now on."""
        self._engine = engine
        self._switchboard = switchboard
        self._model = model
        self._load_every_s = load_every_s
        self._epoch = epoch
        self._drains = drains
        self._admitting = ThreadPoolExecutor(_NUM_ADMITTING, thread_name_prefix="expertmesh-admit")

    def Attach(
        self, request_iterator: Iterator[pb.AttachRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.AttachResponse]:
        attachment = self._switchboard.open(overflow=context.cancel)
        if not context.add_callback(lambda: self._let_go(attachment)):
            self._let_go(attachment)
        threading.Thread(
            target=self._listen,
            args=(request_iterator, attachment),
            name=f"expertmesh-attached-{attachment.number}",
            daemon=True,
        ).start()
        next_load_at = time.monotonic()
        while not attachment.is_closed:
            wait_s = next_load_at - time.monotonic()
            if wait_s <= 0:
                yield pb.AttachResponse(load=self._load())
                next_load_at = time.monotonic() + self._load_every_s
                continue
            report = attachment.next(wait_s)
            if report is not None:
                yield from _messages(report)

    def Describe(self, request: pb.DescribeRequest, context: grpc.ServicerContext) -> pb.DescribeResponse:
        return pb.DescribeResponse(
            model_fingerprint=self._model.fingerprint,
            context_limit=self._engine.context_limit,
            vocab_size=self._model.vocab_size,
            load=self._load(),
            vocabulary_fingerprint=self._model.vocabulary,
        )

    def Drain(self, request: pb.DrainRequest, context: grpc.ServicerContext) -> pb.DrainResponse:
        self._drains()
        timeout_s = request.timeout_s if request.HasField("timeout_s") else None
        left_s = context.time_remaining()
        if left_s is not None:
            timeout_s = left_s if timeout_s is None else min(timeout_s, left_s)
        has_ended = self._engine.drain(timeout_s)
        if has_ended:
            self._switchboard.wait_sent(_SEND_WITHIN_S)  # or a last event is lost with the process
        return pb.DrainResponse(has_ended=has_ended, num_left=self._engine.num_requests)

    def close(self) -> None:
        """Nothing that waits to be admitted will be."""
        self._admitting.shutdown(wait=True, cancel_futures=True)

    def _load(self) -> pb.Load:
        return load_to_message(replace(self._engine.load, epoch=self._epoch()))

    def _listen(self, commands: Iterator[pb.AttachRequest], attachment: Attachment) -> None:
        """Until the gateway has gone, one way or another."""
        try:
            for command in commands:
                self._obey(command, attachment)
        except grpc.RpcError:
            pass  # the stream broke
        except RuntimeError:
            pass  # the server is being stopped, and admits nobody
        finally:
            self._let_go(attachment)

    def _obey(self, command: pb.AttachRequest, attachment: Attachment) -> None:
        match command.WhichOneof("command"):
            case "submit":
                request = command.submit.request
                if attachment.begin(request.request_id):
                    self._admitting.submit(self._admit, request, attachment)
            case "cancel":
                request_id = command.cancel.request_id
                if attachment.cancel(request_id):
                    self._engine.cancel(attachment.engine_id(request_id))

    def _admit(self, message: pb.GenerationRequest, attachment: Attachment) -> None:
        if attachment.is_closed:
            return
        engine_id = attachment.engine_id(message.request_id)
        try:
            self._engine.submit(request_from_message(message, engine_id))
        except ExpertMeshError as error:
            if isinstance(error, CapacityError):
                error.retry_after_s = _RETRY_AFTER_S
            attachment.refused(message.request_id, error)
        except Exception as error:
            logger.exception("a request could not be admitted")
            fault = ExpertMeshError(f"the worker failed to admit the request: {type(error).__name__}")
            attachment.refused(message.request_id, fault)
        else:
            if not attachment.taken(message.request_id):
                self._engine.cancel(engine_id)

    def _let_go(self, attachment: Attachment) -> None:
        """The gateway is gone: what it asked for is worth nothing any more, and its pages are."""
        for request_id in self._switchboard.close(attachment):
            self._engine.cancel(attachment.engine_id(request_id))


def _messages(report: Report) -> Iterator[pb.AttachResponse]:
    match report:
        case Accepted():
            yield pb.AttachResponse(accepted=pb.Accepted(request_id=report.request_id))
        case Refused():
            failure = error_to_message(report.error)
            yield pb.AttachResponse(refused=pb.Refused(request_id=report.request_id, failure=failure))
        case _:
            events = [event_to_message(event, request_id) for request_id, event in report.events]
            yield from (pb.AttachResponse(step=step) for step in _steps(events))


def _steps(events: list[pb.Event]) -> Iterator[pb.Step]:
    """One, or as many as it takes for none to be too large."""
    begin, num_bytes = 0, 0
    for end, event in enumerate(events):
        num_bytes += event.ByteSize()
        if num_bytes > _STEP_BYTES and end > begin:
            yield pb.Step(events=events[begin:end])
            begin, num_bytes = end, event.ByteSize()
    yield pb.Step(events=events[begin:])
