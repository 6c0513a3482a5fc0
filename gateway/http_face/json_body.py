"""Reads a JSON object that a client has sent, strictly: one meaning, or an error that says where it has none.

Not here: what the keys mean (pydantic models, `body_check`), how many bytes there may be (`exchange`).
"""

import json
import re

from model.strict_json import parse_object
from protos.errors import InvalidRequestError

MAX_DEPTH = 100
"""Of arrays and objects in each other."""

_DIGITS = "integer string conversion"
"""Python's words for a number that it will not read, as reading it takes too long."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def json_object(body: bytes) -> dict[str, object]:
    """Raises InvalidRequestError."""
    if not body.strip():
        raise InvalidRequestError("the body is empty; send a JSON object")
    try:
        parsed = parse_object(body)
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"the body is not JSON: {error.msg}, line {error.lineno} column {error.colno}"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"the body is not UTF-8: byte {error.start} cannot stand there; encode it anew"
        ) from error
    except ValueError as error:
        why = "a whole number has thousands of digits" if _DIGITS in str(error) else str(error)
        raise InvalidRequestError(f"the body is not JSON that is taken here: {why}") from error
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(parsed)
    if _SURROGATE.search(body):
        _check_text(parsed)
    return parsed


def _check_depth(parsed: object) -> None:
    level: list[object] = [parsed]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value) if isinstance(child, dict | list)]
        if not level:
            return
    raise InvalidRequestError(
        f"the body has more than {MAX_DEPTH} arrays and objects in each other; send a flatter one"
    )


def _check_text(parsed: object) -> None:
    """An escape may name half a surrogate pair, which is no character."""
    waiting: list[tuple[str, object]] = [("", parsed)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            _check_string(path, value)
        elif isinstance(value, dict):
            for key in value:
                _check_string(f"a key of {path or 'the body'}", key)
            waiting += [(f"{path}.{key}" if path else key, child) for key, child in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", child) for index, child in enumerate(value)]


def _check_string(path: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"{path} holds half a surrogate pair, U+{ord(text[error.start]):04X}, at character "
            f"{error.start}; send well-formed Unicode"
        ).about(path.partition(".")[0].partition("[")[0]) from error


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
