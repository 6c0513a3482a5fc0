"""Each error of the tree has an answer."""

import pytest

from gateway.http_face.error_answer import ErrorAnswer
from protos import errors
from protos.errors import (
    CapacityError,
    ConflictError,
    ExpertMeshError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
)

TREE = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ExpertMeshError)
]


def error_object(error: ExpertMeshError) -> dict[str, object]:
    document = ErrorAnswer.of(error).document["error"]
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_is_an_answer(kind: type[ExpertMeshError]) -> None:
    error = kind.__new__(kind, "words")
    answer = ErrorAnswer.of(error)
    assert answer.status == kind.http_status
    written = error_object(error)
    assert written["type"] == (
        "rate_limit_error"
        if answer.status == 429
        else "server_error"
        if answer.status >= 500
        else "invalid_request_error"
    )
    code = written["code"]
    assert isinstance(code, str)
    assert code.replace("_", "").isalpha()
    assert code == code.lower()
    assert ("retry-after" in answer.headers) == kind.retryable
    assert answer.headers["x-should-retry"] == ("true" if kind.retryable else "false")


def test_it_says_which_field() -> None:
    assert error_object(InvalidRequestError("no").about("messages[2].role")) == {
        "message": "no",
        "type": "invalid_request_error",
        "param": "messages[2].role",
        "code": "invalid_request",
    }


def test_codes_that_clients_know() -> None:
    assert error_object(NotFoundError("no").about("model"))["code"] == "model_not_found"
    assert error_object(NotFoundError("no"))["code"] == "not_found"
    assert error_object(ConflictError("no"))["code"] == "conflict"


@pytest.mark.parametrize(
    ("wait_s", "seconds"), [(None, "1"), (0.0, "1"), (0.2, "1"), (2.01, "3"), (60.0, "60")]
)
def test_waits_are_whole_seconds(wait_s: float | None, seconds: str) -> None:
    for error in (CapacityError("full"), NotReadyError("soon")):
        error.retry_after_s = wait_s
        assert ErrorAnswer.of(error).headers == {"x-should-retry": "true", "retry-after": seconds}
