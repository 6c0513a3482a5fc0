"""Errors between processes: every class of the tree there and back, and those that one side alone knows."""

import pytest

from protos import errors
from protos.errors import BrokenLogitsError, CapacityError, ExpertMeshError, GrpcCode, NoTokenLeftError
from protos.failure import Failure

CLASSES = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ExpertMeshError)
]
MADE_OF_ROWS = (BrokenLogitsError, NoTokenLeftError)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_arrives_as_itself(kind: type[ExpertMeshError]) -> None:
    error = kind((3, 4)) if kind in MADE_OF_ROWS else kind("what failed: 5, at most 4")
    arrived = Failure.of(error).error()
    assert type(arrived) is kind
    assert str(arrived) == str(error) != ""
    assert (arrived.grpc_code, arrived.retryable) == (error.grpc_code, error.retryable)


def test_a_hint_travels_with_its_error_alone() -> None:
    error = CapacityError("full")
    error.retry_after_s = 2.5
    assert Failure.of(error).error().retry_after_s == 2.5
    assert CapacityError("full").retry_after_s is None


@pytest.mark.parametrize("code", GrpcCode)
def test_an_unknown_class_is_the_most_general_of_its_code(code: GrpcCode) -> None:
    arrived = Failure(code, "NewestError", "the newest failure", True).error()
    assert str(arrived) == "the newest failure"
    assert arrived.grpc_code == code
    assert type(arrived).__base__ in (ExpertMeshError, Exception)


def test_a_name_with_another_code_is_taken_by_the_code() -> None:
    arrived = Failure(GrpcCode.UNAVAILABLE, "InvalidRequestError", "gone", True).error()
    assert arrived.grpc_code is GrpcCode.UNAVAILABLE


def test_a_code_that_we_do_not_use_is_internal() -> None:
    assert type(Failure(12, "UnimplementedError", "what?", False).error()) is ExpertMeshError
