"""Errors as statuses with details, small enough for headers."""

from google.rpc import error_details_pb2

from gateway.grpc_face.status_codec import error_to_status
from protos.errors import CapacityError, InvalidRequestError, NotFoundError
from tests.gateway.grpc_face.served import unpacked


def test_every_error_says_which_it_is() -> None:
    status = error_to_status(NotFoundError("no such model"), "req-7")
    assert (status.code, status.message) == (5, "no such model")
    details = unpacked(status)
    assert details.keys() == {"ErrorInfo"}
    info = details["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("NotFoundError", "expertmesh")
    assert dict(info.metadata) == {"retryable": "false", "request_id": "req-7"}


def test_a_full_gateway_says_what_is_full_and_when_to_come_back() -> None:
    error = CapacityError("all places are taken")
    error.retry_after_s = 1.25
    details = unpacked(error_to_status(error))
    retry, quota = details["RetryInfo"], details["QuotaFailure"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert isinstance(quota, error_details_pb2.QuotaFailure)
    assert retry.retry_delay.ToNanoseconds() == 1_250_000_000
    assert quota.violations[0].description == "all places are taken"


def test_a_field_that_is_to_blame_is_named() -> None:
    violation = unpacked(error_to_status(InvalidRequestError("top_p is 3").about("top_p")))["BadRequest"]
    assert isinstance(violation, error_details_pb2.BadRequest)
    (only,) = violation.field_violations
    assert (only.field, only.description) == ("top_p", "top_p is 3")


def test_long_words_are_cut_between_characters() -> None:
    text = "é" * 5000 + "\udc00"  # a lone surrogate too
    status = error_to_status(CapacityError(text).about("prompt"))
    assert status.message == "é" * 384 + "…"
    num_header_bytes = 3 * len(status.message.encode()) + status.ByteSize() * 4 / 3
    assert num_header_bytes < 7000, "clients take 8 KB"
