"""A response at one moment: how far it has come, what it says so far, what it has cost. Never changed.

Not here: how it comes about (`response_writer`), and what the wire calls these fields.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.responses.items import Item
from gateway.responses.response_request import ResponseRequest
from protos.errors import CapacityError, ExpertMeshError, InvalidRequestError
from workers.engine.events import Usage


class ResponseStatus(StrEnum):
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"  # cut by max_output_tokens, or by the context limit
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        return self not in (ResponseStatus.QUEUED, ResponseStatus.IN_PROGRESS)


class FailureCode(StrEnum):
    """The codes that clients know."""

    SERVER_ERROR = "server_error"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    INVALID_PROMPT = "invalid_prompt"


@dataclass(frozen=True, slots=True)
class ResponseFailure:
    code: FailureCode
    message: str

    @classmethod
    def of(cls, error: ExpertMeshError) -> "ResponseFailure":
        match error:
            case InvalidRequestError():
                code = FailureCode.INVALID_PROMPT
            case CapacityError():
                code = FailureCode.RATE_LIMIT_EXCEEDED
            case _:
                code = FailureCode.SERVER_ERROR
        return cls(code, str(error))


@dataclass(frozen=True, slots=True)
class Response:
    """Times are Unix times, in seconds."""

    response_id: str
    request: ResponseRequest
    created_at: int
    status: ResponseStatus
    output: tuple[Item, ...] = ()
    usage: Usage | None = None
    failure: ResponseFailure | None = None
    ended_at: int | None = None
