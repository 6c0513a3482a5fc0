"""A gRPC face over a link, on a port of this machine, and a client of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.calls.call_book import CallBook
from gateway.calls.call_settings import CallSettings
from gateway.classify.policy_store import PolicyStore
from gateway.engine_link.link import EngineLink
from gateway.grpc_face.grpc_face import GrpcFace
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.inference import Inference
from gateway.served_model import ServedModel
from model.tokenizer.tokenizer import Tokenizer
from protos.gen.v1 import inference_pb2 as pb
from protos.gen.v1 import inference_pb2_grpc

VOCAB_SIZE = 293
CONTEXT_LIMIT = 3001
CREATED = 1_700_000_000

Metadata = Sequence[tuple[str, str]]
StreamedMessage = pb.GenerateResponse | pb.ChatResponse | pb.ResumeResponse


@dataclass
class Served:
    face: GrpcFace
    book: CallBook
    policies: PolicyStore
    channel: grpc.aio.Channel
    stub: inference_pb2_grpc.InferenceServiceStub


@asynccontextmanager
async def serving(
    link: EngineLink,
    tokenizer: Tokenizer,
    *,
    calls: CallSettings | None = None,
    settings: GrpcFaceSettings | None = None,
    policies: PolicyStore | None = None,
    channel_options: Sequence[tuple[str, int]] = (),
) -> AsyncIterator[Served]:
    book = CallBook(calls)
    model = ServedModel("gpt-oss-paper", tokenizer, CONTEXT_LIMIT, CREATED, aliases=("paper",))
    policies = policies or PolicyStore(lambda: CREATED + 0.5)
    face = GrpcFace(Inference(link, model, book), policies, "127.0.0.1", settings=settings)
    await face.start()
    try:
        async with grpc.aio.insecure_channel(face.address, options=channel_options) as channel:
            stub = inference_pb2_grpc.InferenceServiceStub(channel)
            yield Served(face, book, policies, channel, stub)
    finally:
        await book.aclose()
        await face.aclose(0.0)


@dataclass(frozen=True)
class Streamed:
    """A whole stream, checked: sequence numbers rise, and exactly one terminal event comes, last."""

    messages: tuple[StreamedMessage, ...]
    events: tuple[pb.Event, ...]

    @classmethod
    async def of(cls, call: "grpc.aio.UnaryStreamCall[Message, StreamedMessage]") -> "Streamed":
        messages: list[StreamedMessage] = []
        while isinstance(message := await call.read(), StreamedMessage):
            messages.append(message)
        events = [event for message in messages for event in message.events]
        numbers = [message.sequence for message in messages]
        assert numbers == sorted(set(numbers))
        assert [event.HasField("request_ended") for event in events].index(True) == len(events) - 1
        return cls(tuple(messages), tuple(events))

    @property
    def ended(self) -> pb.RequestEnded:
        return self.events[-1].request_ended

    def text(self, kind: str, choice: int = 0) -> str:
        """Of all deltas of this kind."""
        deltas = [getattr(event, kind) for event in self.events if event.WhichOneof("event") == kind]
        return "".join(delta.text for delta in deltas if delta.choice == choice)

    def of_kind(self, kind: str) -> list[pb.Event]:
        return [event for event in self.events if event.WhichOneof("event") == kind]


def unpacked(status: status_pb2.Status) -> dict[str, Message]:
    """The details by the names of their messages."""
    details: dict[str, Message] = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        details[name] = getattr(error_details_pb2, name)()
        packed.Unpack(details[name])
    return details


@dataclass(frozen=True)
class Refusal:
    """The status of a call, and its details by the names of their messages."""

    code: grpc.StatusCode
    message: str
    details: dict[str, Message]

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> "Refusal":
        status = rpc_status.from_call(error)
        return cls(error.code(), error.details() or "", {} if status is None else unpacked(status))

    @property
    def reason(self) -> object:
        return getattr(self.details["ErrorInfo"], "reason", None)

    @property
    def field(self) -> str:
        bad_request = self.details["BadRequest"]
        assert isinstance(bad_request, error_details_pb2.BadRequest)
        (violation,) = bad_request.field_violations
        return str(violation.field)
