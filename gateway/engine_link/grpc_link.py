"""The link to one attention worker: one stream for all requests, attached again whenever it breaks.

When it breaks, its requests end in AttentionUnreachableError; going on elsewhere is `failover_link`'s.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from itertools import count
from typing import TypeAlias

import grpc.aio

from gateway.engine_link.mailbox import Mailbox
from gateway.engine_link.settings import LinkSettings
from protos.errors import AttentionUnreachableError, InvalidRequestError
from protos.gen.v1 import attention_pb2 as pb
from protos.gen.v1 import attention_pb2_grpc
from router.channel import TlsFiles, client_credentials, client_options
from workers.attention.event_codec import error_from_message, event_from_message, load_from_message
from workers.attention.limits import MAX_MESSAGE_BYTES
from workers.attention.request_codec import request_to_message
from workers.engine.events import Event, RequestEnded
from workers.engine.load import EngineLoad
from workers.engine.request import GenerationRequest

logger = logging.getLogger(__name__)

Call: TypeAlias = "grpc.aio.StreamStreamCall[pb.AttachRequest, pb.AttachResponse]"
Commands = asyncio.Queue[pb.AttachRequest | None]
"""None is the last."""


def _nothing() -> None:
    """For a link whose changes nobody waits for."""


class GrpcEngineLink:
    """`start` in a running event loop, `submit`, `aclose`. `changed` is called when `load` has changed."""

    def __init__(
        self,
        address: str,
        *,
        tls: TlsFiles | None = None,
        settings: LinkSettings | None = None,
        changed: Callable[[], None] = _nothing,
    ) -> None:
        self.address = address
        self._tls = tls
        self._settings = settings or LinkSettings()
        self._changed = changed
        self._serials = count(1)
        self._mailboxes: dict[str, Mailbox] = {}
        self._commands = Commands()  # of the stream that stands
        self._load: EngineLoad | None = None
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._attaching: asyncio.Task[None] | None = None

    @property
    def load(self) -> EngineLoad | None:
        return self._load

    @property
    def num_live(self) -> int:
        return len(self._mailboxes)

    def start(self) -> None:
        self._attaching = asyncio.create_task(self._stay_attached(), name=f"attach {self.address}")

    async def wait_idle(self) -> None:
        await self._is_idle.wait()

    async def aclose(self) -> None:
        """What has not ended ends with AttentionUnreachableError here, and is cancelled there."""
        if self._attaching is not None:
            self._attaching.cancel()
            with suppress(asyncio.CancelledError):
                await self._attaching

    async def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        commands, mailbox = self._commands, self._post(request)
        try:
            await mailbox.accepted(self._settings.accept_s)
            while True:
                event = await mailbox.next()
                yield event
                if isinstance(event, RequestEnded):
                    return
        finally:
            self._forget(mailbox)
            if not mailbox.has_ended:
                commands.put_nowait(pb.AttachRequest(cancel=pb.Cancel(request_id=mailbox.wire_id)))

    def _post(self, request: GenerationRequest) -> Mailbox:
        if self._load is None:
            raise AttentionUnreachableError(f"the attention worker at {self.address} cannot be reached")
        wire_id = (
            f"{request.request_id}.{next(self._serials)}"  # one that is still being cancelled has another
        )
        message = request_to_message(request, wire_id)
        if message.ByteSize() > MAX_MESSAGE_BYTES:
            raise InvalidRequestError(
                f"the request has {message.ByteSize()} bytes, and at most {MAX_MESSAGE_BYTES} can be sent to "
                f"an attention worker; shorten it"
            )
        mailbox = self._mailboxes[wire_id] = Mailbox(wire_id, request.request_id, self.address)
        self._is_idle.clear()
        self._commands.put_nowait(pb.AttachRequest(submit=pb.Submit(request=message)))
        return mailbox

    def _forget(self, mailbox: Mailbox) -> None:
        self._mailboxes.pop(mailbox.wire_id, None)
        if not self._mailboxes:
            self._is_idle.set()

    async def _stay_attached(self) -> None:
        options = client_options(MAX_MESSAGE_BYTES)
        if self._tls is None:
            channel = grpc.aio.insecure_channel(self.address, options=options)
        else:
            channel = grpc.aio.secure_channel(self.address, client_credentials(self._tls), options=options)
        stub = attention_pb2_grpc.AttentionServiceStub(channel)
        async with channel:
            while True:
                reason = "the link was closed"
                try:
                    reason = await self._attach(stub)
                    if self._load is not None:
                        logger.warning("the attention worker at %s is lost: %s", self.address, reason)
                finally:
                    self._lose(reason)
                await asyncio.sleep(self._settings.reconnect_s)

    async def _attach(self, stub: attention_pb2_grpc.AttentionServiceStub) -> str:
        """Listen until the stream breaks; -> why it did."""
        commands = self._commands = Commands()
        call = stub.Attach(_each(commands))
        try:
            while True:
                message = await self._next_word(call)
                if message is None:
                    return "it ended the stream"
                self._hear(message)
        except TimeoutError:
            return f"it has said nothing for {self._settings.silence_s:g} s"
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
        except ValueError as error:
            logger.exception("the attention worker at %s says what cannot be", self.address)
            return f"it says what cannot be: {error}"
        finally:
            call.cancel()
            commands.put_nowait(None)  # gRPC leaves its task waiting for more when a call breaks by itself

    async def _next_word(self, call: Call) -> pb.AttachResponse | None:
        """None at the end. In two waits: the second hears what was said while this loop was held up."""
        reading = asyncio.ensure_future(call.read())
        try:
            for _ in range(2):
                done, _ = await asyncio.wait({reading}, timeout=self._settings.silence_s / 2)
                if done:
                    said = reading.result()
                    return said if isinstance(said, pb.AttachResponse) else None
            raise TimeoutError
        finally:
            reading.cancel()

    def _hear(self, message: pb.AttachResponse) -> None:
        match message.WhichOneof("report"):
            case "step":
                for event in message.step.events:
                    self._hand_out(event)
            case "load":
                self._load = load_from_message(message.load)
                self._changed()
            case "accepted":
                if mailbox := self._mailboxes.get(message.accepted.request_id):
                    mailbox.accept()
            case "refused":
                if mailbox := self._mailboxes.get(message.refused.request_id):
                    mailbox.fail(error_from_message(message.refused.failure))

    def _hand_out(self, message: pb.Event) -> None:
        mailbox = self._mailboxes.get(message.request_id)
        if mailbox is None:
            return  # it was cancelled, and the worker does not know yet
        event = event_from_message(message, mailbox.request_id)
        if event is not None:
            mailbox.put(event)

    def _lose(self, reason: str) -> None:
        self._load = None
        for mailbox in self._mailboxes.values():
            mailbox.fail(
                AttentionUnreachableError(f"the attention worker at {self.address} is lost: {reason}")
            )
        self._changed()


async def _each(commands: Commands) -> AsyncIterator[pb.AttachRequest]:
    while (command := await commands.get()) is not None:
        yield command
