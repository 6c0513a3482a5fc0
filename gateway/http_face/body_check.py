"""Makes a body of what a client has sent, or says in words which field is wrong, and what it should be.

Only the first error is told. Not here: JSON itself (`json_body`), which fields there are (the models).
"""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.http_face.body_model import BodyModel, Refused
from protos.errors import InvalidRequestError

B = TypeVar("B", bound=BodyModel)

TAG = "~"
"""Begins the names of a union's alternatives, which stand in places and are none of the client's business."""

_LONGEST_SHOWN = 60
_LONG = ("too_long", "string_too_long")
_SHORT = ("too_short", "string_too_short")


def check_body(model: type[B], sent: dict[str, object]) -> B:
    """Raises InvalidRequestError about the field."""
    try:
        body = model.model_validate(sent)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=True)[0]
        place = field_path(first["loc"])
        sentence = _sentence(first, place, model)
        if first["type"] == "union_tag_invalid":
            place, sentence = _unknown_kind(first)
        raise InvalidRequestError(sentence).about(place) from None
    check_refused(body)
    return body


def check_refused(body: BaseModel, place: str = "") -> None:
    """Fields that are known and not served, here and in all that is inside."""
    for name in body.model_fields_set:
        value = getattr(body, name)
        path = f"{place}.{name}" if place else name
        if isinstance(value, BaseModel):
            check_refused(value, path)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, BaseModel):
                    check_refused(each, f"{path}[{index}]")
        if value is not None:
            _check_marks(type(body), name, value, path)


def _check_marks(model: type[BaseModel], name: str, value: object, path: str) -> None:
    for mark in model.model_fields[name].metadata:
        if isinstance(mark, Refused) and value not in mark.harmless:
            raise InvalidRequestError(f"{path} is not served here: {mark.why}").about(path)


def field_path(place: tuple[int | str, ...]) -> str:
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith(TAG):
            path += f".{part}" if path else part
    return path


def _sentence(error: ErrorDetails, path: str, model: type[BaseModel]) -> str:
    kind, place, context = error["type"], error["loc"], error.get("ctx", {})
    if kind == "missing":
        return f"{path} is missing"
    if kind == "extra_forbidden":
        return f"the field {_shorten(path)} is unknown; {_nearest(model, place)}"
    if kind in _LONG:
        return f"{path} has the length {len(error['input'])}; at most {context['max_length']} is taken"
    if kind in _SHORT:
        return f"{path} has the length {len(error['input'])}; it must be {context['min_length']} at least"
    limit = error["msg"].removeprefix("Input should be ")
    if kind == "union_tag_not_found":
        limit = "a string, an array or an object: /openapi.json says which of them"
    return f"{_shorten(path)} is {_shown(error['input'])}; it must be {limit}"


def _unknown_kind(error: ErrorDetails) -> tuple[str, str]:
    """Of an object that may be of several kinds, and says which: the field that says it, a sentence."""
    path = field_path(error["loc"])
    kinds = error["ctx"]["expected_tags"].replace(f"'{TAG}", "'")
    sent = error["input"]
    if not isinstance(sent, dict):
        return path, f"{path} is {_shown(sent)}; it must be an object"
    name = "role" if path.startswith("messages") and "[" not in path.partition("]")[2] else "type"
    if name not in sent:
        return f"{path}.{name}", f"{path}.{name} is missing; it must be one of {kinds}"
    return f"{path}.{name}", f"{path}.{name} is {_shown(sent[name])}; it must be one of {kinds}"


def _nearest(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """The field that was probably meant."""
    models: list[type[BaseModel]] = [model]
    for part in place[:-1]:
        if isinstance(part, str) and not part.startswith(TAG):
            annotations = [each.model_fields[part].annotation for each in models if part in each.model_fields]
            models = [found for annotation in annotations for found in _models_in(annotation)]
    names = sorted({name for each in models for name in each.model_fields})
    close = get_close_matches(str(place[-1])[:_LONGEST_SHOWN], names, n=1)
    return f"did you mean {close[0]}?" if close else f"known here are {', '.join(names)}"


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if get_origin(annotation) is Annotated:
        yield from _models_in(get_args(annotation)[0])
        return
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return _shorten(json.dumps(value[: _LONGEST_SHOWN + 1] if isinstance(value, str) else value, default=str))


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
