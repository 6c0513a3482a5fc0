"""The tools of a request as a grammar sees them: whom a call is to, on which channel, and with what.

Not here: how they are described to the model (`tool_namespace`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.harmony.built_in_tools import namespace_of, recipients_of
from gateway.harmony.settings import BuiltInTool, Channel, FunctionTool

_AS_JSON = ('" " <|constrain|> "json"', '<|constrain|> "json"', '" json"')
_AS_CODE = ('" code"',)
"""What the model writes to its built-in tools, JSON or not."""

_NOTHING: Mapping[str, object] = {"type": "object", "properties": {}, "additionalProperties": False}
_SAYING_THE_TYPE = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"})
_OPTIONS = "x-guidance"


@dataclass(frozen=True, slots=True)
class CallableTool:
    """`schema` is that of its arguments; None for text. Content types are written as in the grammar."""

    recipient: str
    channel: Channel
    schema: Mapping[str, object] | None
    content_types: tuple[str, ...]


def callable_tools(
    functions: Sequence[FunctionTool], built_in_tools: frozenset[BuiltInTool]
) -> list[CallableTool]:
    of_functions = (
        CallableTool(function.recipient, Channel.COMMENTARY, _schema(function), _AS_JSON)
        for function in functions
    )
    return [*of_functions, *(each for tool in sorted(built_in_tools) for each in _built_in(tool))]


def _built_in(tool: BuiltInTool) -> Iterator[CallableTool]:
    tools = namespace_of(tool).tools
    if not tools:
        (recipient,) = recipients_of(tool)
        yield CallableTool(recipient, Channel.ANALYSIS, None, _AS_CODE)
    for each, recipient in zip(tools, recipients_of(tool), strict=False):
        yield CallableTool(recipient, Channel.ANALYSIS, _schema(each), (*_AS_JSON, *_AS_CODE))


def _schema(function: FunctionTool) -> Mapping[str, object]:
    """Arguments are always an object, also where the schema takes that for granted."""
    if function.parameters is None:
        return _NOTHING
    schema = dict(function.parameters)
    if not _SAYING_THE_TYPE & schema.keys():
        schema["type"] = "object"
    if function.is_strict:
        return schema
    said = schema.get(_OPTIONS)
    return schema | {_OPTIONS: {**(said if isinstance(said, dict) else {}), "lenient": True}}
