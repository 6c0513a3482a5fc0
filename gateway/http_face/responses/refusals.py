"""Kinds of tools, items and parts that OpenAI's API knows and this one does not serve, said in words.

Looked for before the body is checked, whose words would say less. Not here: fields (`body`).
"""

from collections.abc import Iterator
from typing import NamedTuple

from protos.errors import InvalidRequestError

SERVED_ITEMS = ("message", "reasoning", "function_call", "function_call_output", "item_reference")
_SERVED_PARTS = ("input_text", "output_text", "text", "refusal")
_SERVED_CHOICES = ("function", "allowed_tools")


class _Found(NamedTuple):
    path: str
    kind: str


def check_kinds(sent: dict[str, object]) -> None:
    """Raises InvalidRequestError about the first that is not served. What is malformed is not looked at."""
    for tool in _kinds_of(sent.get("tools"), "tools"):
        if tool.kind != "function":
            raise InvalidRequestError(
                f"{tool.path} is of the type {tool.kind[:60]!r}, a tool that would run at the server; none "
                f"does here: declare a function, and run it where you call from"
            ).about(f"{tool.path}.type")
    for choice in _kinds_of([sent.get("tool_choice")], "tool_choice"):
        if choice.kind not in _SERVED_CHOICES:
            raise InvalidRequestError(
                f"tool_choice is of the type {choice.kind[:60]!r}; it may be "
                f"{' or '.join(_SERVED_CHOICES)}, or one of the words none, auto and required"
            ).about("tool_choice")
    for item in _kinds_of(sent.get("input"), "input"):
        if item.kind not in SERVED_ITEMS:
            raise InvalidRequestError(
                f"{item.path} is of the type {item.kind[:60]!r}; items may be {', '.join(SERVED_ITEMS)}"
            ).about(f"{item.path}.type")
    for part in _parts(sent.get("input")):
        if part.kind not in _SERVED_PARTS:
            raise InvalidRequestError(
                f"{part.path} is of the type {part.kind[:60]!r}; this model reads text alone, so send it as "
                f"input_text"
            ).about(f"{part.path}.type")


def _kinds_of(values: object, path: str) -> Iterator[_Found]:
    if not isinstance(values, list):
        return
    for index, value in enumerate(values):
        if isinstance(value, dict) and isinstance(kind := value.get("type"), str):
            yield _Found(path if path == "tool_choice" else f"{path}[{index}]", kind)


def _parts(items: object) -> Iterator[_Found]:
    if not isinstance(items, list):
        return
    for index, item in enumerate(items):
        if not isinstance(item, dict) or item.get("type") == "reasoning":
            continue
        for name in ("content", "output"):
            yield from _kinds_of(item.get(name), f"input[{index}].{name}")
