"""The border of the service: bytes come in, a method is called, what goes wrong becomes a status in words.

Bytes and not messages, and streams of requests where one is expected, because grpc.aio answers what it cannot
parse with UNKNOWN, and a client that says nothing at all not even with that. Not here: what methods do.
"""

import asyncio
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status

from gateway.client_error import told
from gateway.grpc_face.open_rpcs import OpenRpcs
from gateway.grpc_face.rpc import Context, Rpc
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.grpc_face.status_codec import error_to_status
from protos.errors import ExpertMeshError, InvalidRequestError, SlowSenderError

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


class Method:
    """One method of a service. What returns a message has it sent; what returns none has written its own."""

    def __init__(
        self, descriptor: MethodDescriptor, service: object, settings: GrpcFaceSettings, rpcs: OpenRpcs
    ) -> None:
        self._name = descriptor.name
        self._request_class: type[Message] = GetMessageClass(descriptor.input_type)
        self._behaviour: Any = getattr(service, descriptor.name)
        self._settings = settings
        self._rpcs = rpcs

    async def serve(self, _: object, context: Context) -> None:
        self._rpcs.note(context)
        rpc = Rpc(context, self._settings.deadline_slack_s)
        try:
            answer = await self._behaviour(await self._receive(context), rpc)
            if answer is not None:
                await rpc.write(answer)
        except grpc.aio.BaseError:
            raise  # the client has gone, or the server stops
        except Exception as error:
            await _refuse(told(error, rpc.request_id, self._name), context, rpc)

    async def _receive(self, context: Context) -> Message:
        limit_s = self._settings.request_s
        try:
            async with asyncio.timeout(limit_s):
                received = await context.read()
        except TimeoutError:
            raise SlowSenderError(
                f"{self._name}: no request came within {limit_s:g} s of the call's beginning"
            ) from None
        if not isinstance(received, bytes):
            raise InvalidRequestError(f"{self._name}: the call was half-closed without a request; send one")
        try:
            return self._request_class.FromString(received)
        except DecodeError as error:
            raise InvalidRequestError(
                f"{self._name}: {len(received)} bytes came that are no "
                f"{self._request_class.DESCRIPTOR.full_name}: {error}"
            ) from error


def handlers(
    descriptor: ServiceDescriptor, service: object, settings: GrpcFaceSettings, rpcs: OpenRpcs
) -> grpc.GenericRpcHandler:
    """What a server is given."""
    made: dict[str, Handler] = {
        method.name: grpc.stream_stream_rpc_method_handler(Method(method, service, settings, rpcs).serve)
        for method in descriptor.methods
    }
    return grpc.method_handlers_generic_handler(descriptor.full_name, made)


async def _refuse(error: ExpertMeshError, context: Context, rpc: Rpc) -> None:
    status = rpc_status.to_status(error_to_status(error, rpc.request_id))
    await context.abort(status.code, status.details, status.trailing_metadata)
