"""The values of one JSON object, each taken with the type that it must have, or refused in words.

Not here: which keys there are and what they mean (`line_request`). A key whose value is null counts as left
out, since many programs write it so.
"""

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import NoReturn

from protos.errors import InvalidRequestError

_MAX_SHOWN = 60


class LineFields:
    """Strict: true is no number, 3.0 no integer, "3" neither."""

    def __init__(self, values: Mapping[str, object], known: Collection[str]) -> None:
        for key in values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                meant = f"; did you mean {near[0]!r}?" if near else f"; the keys are {', '.join(known)}"
                raise InvalidRequestError(f"the key {_show(key)} is unknown{meant}")
        self._values = {key: value for key, value in values.items() if value is not None}

    def get(self, key: str) -> object:
        """None when it is left out."""
        return self._values.get(key)

    def text(self, key: str) -> str | None:
        value = self.get(key)
        return None if value is None else as_text(key, value)

    def integer(self, key: str) -> int | None:
        value = self.get(key)
        return None if value is None else as_integer(key, value)

    def number(self, key: str) -> float | None:
        value = self.get(key)
        return None if value is None else as_number(key, value)

    def flag(self, key: str) -> bool | None:
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            refuse(key, value, "true or false")
        return value

    def mapping(self, key: str) -> Mapping[str, object] | None:
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            refuse(key, value, "an object")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        values = self._list(key, "a list of strings")
        if values is None:
            return None
        return tuple(as_text(f"{key}[{index}]", value) for index, value in enumerate(values))

    def integers(self, key: str) -> tuple[int, ...] | None:
        values = self._list(key, "a list of token ids")
        if values is None:
            return None
        return tuple(as_integer(f"{key}[{index}]", value) for index, value in enumerate(values))

    def _list(self, key: str, expected: str) -> list[object] | None:
        value = self.get(key)
        if value is not None and not isinstance(value, list):
            refuse(key, value, expected)
        return value


def as_text(place: str, value: object) -> str:
    if not isinstance(value, str):
        refuse(place, value, "a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"{place} holds half a surrogate pair at character {error.start}; send well-formed Unicode"
        ) from error
    return value


def as_integer(place: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(place, value, "an integer")
    return value


def as_number(place: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(place, value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise InvalidRequestError(f"{place} is {_show(value)}, which is too large for a number") from error


def refuse(place: str, value: object, expected: str) -> NoReturn:
    raise InvalidRequestError(f"{place} is {_show(value)}, expected {expected}")


def _show(value: object) -> str:
    """As JSON has it, and short."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
