"""The messages of the OpenAI API as the client knows them: chunks of an answer, refusals.

Not here: the connection (`chat_client`). What a chunk says beyond this is passed over.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from cluster.chat.deltas import Content, Delta, Finished, Reasoning, Spent, ToolCallPart
from protos.errors import (
    CapacityError,
    ExpertMeshError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
)

Json = Mapping[str, object]
Message = dict[str, object]
"""Of a conversation, as it is sent."""

_STATUS_TO_ERROR: Mapping[int, type[ExpertMeshError]] = {
    404: NotFoundError,
    429: CapacityError,
    503: NotReadyError,
}
_LONGEST_SHOWN = 500


def deltas_of(chunk: Json) -> Iterator[Delta]:
    """Of one chunk of a streamed answer with one choice."""
    for choice in _objects(chunk, "choices"):
        delta = _object(choice, "delta")
        reasoning = _text(delta, "reasoning") or _text(delta, "reasoning_content")
        if reasoning:
            yield Reasoning(reasoning)
        if content := _text(delta, "content"):
            yield Content(content)
        for call in _objects(delta, "tool_calls"):
            function = _object(call, "function")
            yield ToolCallPart(
                _number(call, "index"),
                _text(call, "id"),
                _text(function, "name"),
                _text(function, "arguments") or "",
            )
        if reason := _text(choice, "finish_reason"):
            yield Finished(reason)
    usage = _object(chunk, "usage")
    if usage:
        yield Spent(
            _number(usage, "prompt_tokens"),
            _number(_object(usage, "prompt_tokens_details"), "cached_tokens"),
            _number(usage, "completion_tokens"),
            _number(_object(usage, "completion_tokens_details"), "reasoning_tokens"),
        )


def error_of(status: int, body: str) -> ExpertMeshError:
    """In the gateway's own words, where it has any."""
    try:
        document = json.loads(body)
    except ValueError:
        document = {}
    words = _text(_object(document if isinstance(document, dict) else {}, "error"), "message")
    kind = _STATUS_TO_ERROR.get(status, InvalidRequestError if status < 500 else InternalError)
    return kind(words or f"it answers with status {status}: {body[:_LONGEST_SHOWN]}")


def error_in(chunk: Json) -> ExpertMeshError | None:
    """Of an answer that broke when it had begun."""
    if "error" not in chunk:
        return None
    return InternalError(
        _text(_object(chunk, "error"), "message") or "the answer broke, and nothing says why"
    )


def names_of(models: Json) -> Sequence[str]:
    return [name for model in _objects(models, "data") if (name := _text(model, "id"))]


def _object(within: Json, key: str) -> Json:
    value = within.get(key)
    return value if isinstance(value, dict) else {}


def _objects(within: Json, key: str) -> list[Json]:
    value = within.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(within: Json, key: str) -> str | None:
    value = within.get(key)
    return value if isinstance(value, str) else None


def _number(within: Json, key: str) -> int:
    value = within.get(key)
    return value if isinstance(value, int) else 0
