"""OpenAI's own types as the judge of what we write: every field is known there, and has the right type."""

from typing import Any

from openai.types.responses import Response, ResponseItemList, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
SURPLUS = {
    "store",
    "name",  # of a call whose arguments are done: older clients read it
    "bytes",  # of log-probabilities in deltas: as in the whole text
}
"""Fields of ours that the client's types do not have."""


def checked_event(document: object) -> BaseModel:
    return _known(_EVENTS.validate_python(document))


def checked_response(document: object) -> Response:
    response = Response.model_validate(document)
    _known(response)
    return response


def checked_items(document: object) -> ResponseItemList:
    items = ResponseItemList.model_validate(document)
    _known(items)
    return items


def _known(model: BaseModel) -> BaseModel:
    """Of no part of it has the client to make do with a field that it does not know."""
    for part in _parts(model):
        assert set(part.model_extra or {}) <= SURPLUS, type(part)
    return model


def _parts(value: object) -> list[BaseModel]:
    if isinstance(value, BaseModel):
        inner = [getattr(value, name) for name in type(value).model_fields]
        return [value, *(part for each in inner for part in _parts(each))]
    if isinstance(value, list):
        return [part for each in value for part in _parts(each)]
    return []
