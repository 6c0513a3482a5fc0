"""An error of ours as the status of a call, with the details that googleapis names for it, and nothing else.

Not here: errors after acceptance, which are terminal events (`event_codec`), and which words may go out
(`gateway.client_error`).
"""

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from protos.errors import CapacityError, ExpertMeshError

DOMAIN = "expertmesh"
_MAX_TEXT_BYTES = 768
"""A status travels in headers, of which clients take 8 KB, and its text up to four times, once with every
byte as three."""


def error_to_status(error: ExpertMeshError, request_id: str | None = None) -> status_pb2.Status:
    """`request_id` is that of the call which the error ends."""
    text = _shortened(str(error))
    packed = [_packed(detail) for detail in _details(error, text, request_id)]
    return status_pb2.Status(code=int(error.grpc_code), message=text, details=packed)


def _details(error: ExpertMeshError, text: str, request_id: str | None) -> list[Message]:
    metadata = {"retryable": str(error.retryable).lower()}
    if request_id is not None:
        metadata["request_id"] = request_id
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=type(error).__name__, domain=DOMAIN, metadata=metadata)
    ]
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(round(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if error.field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=text)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, CapacityError):
        quota = error_details_pb2.QuotaFailure.Violation(subject="gateway", description=text)
        details.append(error_details_pb2.QuotaFailure(violations=[quota]))
    return details


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def _shortened(text: str) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= _MAX_TEXT_BYTES:
        return encoded.decode()
    return f"{encoded[:_MAX_TEXT_BYTES].decode(errors='ignore')}…"
