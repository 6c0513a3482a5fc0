"""One remote call as the service sees it: what the client said beside the request, and the way to answer.

Not here: requests and answers (codecs), the border that turns errors into a status (`methods`).
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property

import grpc.aio
from google.protobuf.message import Message

from gateway.calls.call_book import CallRequest
from gateway.idempotency_key import IDEMPOTENCY_KEY, idempotency_key_of, refuse_idempotency_key
from gateway.request_id import request_id_of
from protos.errors import DeadlineExpiredError

REQUEST_ID = "x-request-id"
_FOREVER_S = 1e9
"""A deadline beyond it is none."""
_ROUNDING = 0.01
"""The part by which gRPC may lengthen a deadline on its way here."""

Context = grpc.aio.ServicerContext[bytes, bytes]


class Rpc:
    """`request_id` is the client's, or, where that cannot be one, another."""

    def __init__(self, context: Context, deadline_slack_s: float) -> None:
        self._context = context
        self._slack_s = deadline_slack_s
        self._has_begun = False

    @cached_property
    def request_id(self) -> str:
        return request_id_of(self._metadata.get(REQUEST_ID))

    @property
    def timeout_s(self) -> float | None:
        """What the client's deadline leaves for an answer. Raises when it leaves nothing."""
        left_s = self._context.time_remaining()
        if left_s is None or left_s > _FOREVER_S:
            return None
        kept_s = min(self._slack_s + left_s * _ROUNDING, left_s / 10)
        if left_s <= 0:
            raise DeadlineExpiredError("the deadline of the call had passed when it came; give it more time")
        return float(left_s - kept_s)

    def call_request(self, request: Message, *, is_resumable: bool) -> CallRequest:
        key = idempotency_key_of(self._metadata.get(IDEMPOTENCY_KEY))
        digest = b"" if key is None else _digest(request)
        return CallRequest(self.request_id, is_resumable, key, digest)

    def refuse_idempotency_key(self) -> None:
        """Of a method that does not obey one."""
        refuse_idempotency_key(self._metadata.get(IDEMPOTENCY_KEY))

    async def write(self, message: Message, call_id: str | None = None) -> None:
        """Waits for a client that reads slowly. The first answer brings the id of the call in its headers."""
        if not self._has_begun:
            self._has_begun = True
            await self._context.send_initial_metadata(((REQUEST_ID, call_id or self.request_id),))
        await self._context.write(message.SerializeToString())

    @cached_property
    def _metadata(self) -> Mapping[str, str]:
        """The text of it; of a name that comes twice the last."""
        said = self._context.invocation_metadata() or ()
        return {name: value for name, value in said if isinstance(value, str)}


def _digest(request: Message) -> bytes:
    """Equal for equal requests of one kind."""
    said = f"{request.DESCRIPTOR.full_name}\n".encode() + request.SerializeToString(deterministic=True)
    return hashlib.sha256(said).digest()
