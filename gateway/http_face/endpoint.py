"""What there is to call: a method, a path, who serves it, and what the OpenAPI document says of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from gateway.http_face.exchange import Exchange

Serve = Callable[[Exchange], Awaitable[None]]
"""Answers it, or raises an error of the tree before anything of the answer is written."""

GENERATING = {
    404: "The model is not served here",
    409: "The idempotency key was used for another request",
    429: "There is no room; retry after the time that the header says",
    503: "Nothing can be generated now; retry after the time that the header says",
    504: "The request did not end in its time",
}
"""What may become of a request that makes the engine work."""


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """What may stand behind the path; `schema` is its JSON schema."""

    name: str
    schema: Mapping[str, object]
    description: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path` is starlette's: parameters in braces. `answer` is the model of a body with status 200."""

    method: str
    path: str
    serve: Serve
    summary: str
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    is_streamed: bool = False  # if the client asks for it
    other_statuses: Mapping[int, str] = field(default_factory=dict)  # beside those that any request may get
    query: Sequence[QueryParameter] = ()
