"""An error of the tree as OpenAI's clients read it: status, headers, and {"error": {…}}.

The only place where errors become HTTP. Not here: who catches them (`app`, `event_stream`), and which words
may go out (`gateway.client_error`).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.http_face.json_text import json_bytes
from protos.errors import ExpertMeshError, NotFoundError

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DEFAULT_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """`headers` are those that belong to the error."""

    status: int
    document: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: ExpertMeshError, headers: Mapping[str, str] | None = None) -> "ErrorAnswer":
        status = error.http_status
        document = {
            "message": str(error),
            "type": _kind(status),
            "param": error.field,
            "code": _code(error),
        }
        return cls(status, {"error": document}, {**_retry_headers(error), **(headers or {})})

    @property
    def body(self) -> bytes:
        return json_bytes(self.document)


def _kind(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def _code(error: ExpertMeshError) -> str:
    """The class's name, as such codes are written; the model has a code of its own, which clients know."""
    if isinstance(error, NotFoundError) and error.field == "model":
        return "model_not_found"
    return _WORD.sub("_", type(error).__name__.removesuffix("Error")).lower()


def _retry_headers(error: ExpertMeshError) -> dict[str, str]:
    """Whole seconds, and never none. Left to themselves, official clients send any 409 and 5xx again."""
    if not error.retryable:
        return {"x-should-retry": "false"}
    wait_s = _DEFAULT_RETRY_S if error.retry_after_s is None else error.retry_after_s
    return {"x-should-retry": "true", "retry-after": str(max(1, math.ceil(wait_s)))}
