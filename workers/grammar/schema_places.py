"""Finds the smallest part of a JSON schema that is refused for the same reason as the whole.

llguidance says why, not where. So the sub-schemas are tried, each as a schema of its own with the definitions
of the whole, and the search goes down where the very same reason is given. Only keywords that llguidance
enforces are followed; a definition is reached through its `$ref` alone, so an unused one is never blamed.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

Schema = Mapping[str, object]
Refusal = Callable[[Schema], str]
"""What is said against a schema; empty when nothing."""

_ONE = ("items", "additionalItems", "additionalProperties")
_LIST = ("prefixItems", "items", "anyOf", "oneOf", "allOf")
_BY_NAME = ("properties", "patternProperties")
_OF_THE_WHOLE = ("$schema", "$defs", "definitions", "x-guidance")


def refused_place(root: Schema, reason: str, refusal: Refusal, patience_s: float) -> str:
    """The JSON pointer of that part; "/" for the whole, also when time is up before anything is found."""
    deadline = time.monotonic() + patience_s
    inherited = {key: root[key] for key in _OF_THE_WHOLE if key in root}
    pointer: str = ""
    schema: Schema = root
    visited = {pointer}
    while True:
        for below, child in _children(root, pointer, schema):
            if below in visited or time.monotonic() > deadline:
                continue
            visited.add(below)
            tried = child if isinstance(child, dict) else {"allOf": [child]}
            if refusal({**tried, **inherited}) == reason:
                pointer, schema = below, child if isinstance(child, dict) else {}
                break
        else:
            return pointer or "/"


def _children(root: Schema, pointer: str, schema: Schema) -> Iterator[tuple[str, object]]:
    """The sub-schemas, with their pointers."""
    for path, child in _parts(schema):
        if not isinstance(child, list):
            yield pointer + "".join(f"/{_escape(part)}" for part in path), child
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target_pointer = unquote(reference[1:])
        yield target_pointer, _resolve(root, target_pointer)


def _parts(schema: Schema) -> Iterator[tuple[tuple[str, ...], object]]:
    for key in _ONE:
        if key in schema:
            yield (key,), schema[key]
    for key in _LIST:
        value = schema.get(key)
        for index, child in enumerate(value if isinstance(value, list) else []):
            yield (key, str(index)), child
    for key in _BY_NAME:
        value = schema.get(key)
        for name, child in value.items() if isinstance(value, dict) else ():
            yield (key, name), child


def _resolve(root: Schema, pointer: str) -> object:
    found: object = root
    for part in pointer.split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
