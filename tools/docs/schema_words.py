"""A JSON schema in a few words, as a cell of a table has room for. Pure."""

from collections.abc import Mapping
from typing import Any

from tools.docs.markdown import anchor

Schema = Mapping[str, Any]

_LIMIT_TO_WORDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "minLength": "length from {}",
    "maxLength": "length to {}",
    "minItems": "{} at least",
    "maxItems": "{} at most",
    "maxProperties": "{} at most",
    "pattern": "as `{}`",
}
_TYPE_TO_WORD = {"array": "list", "null": "nothing"}


def words_of(schema: Schema) -> str:
    """Without the choice of null, which is the same as to leave it out."""
    if "$ref" in schema:
        name = title_of(schema["$ref"].rpartition("/")[2])
        return f"[{name}](#{anchor(name)})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    choices = [each for each in schema.get("anyOf", schema.get("oneOf", ())) if each.get("type") != "null"]
    if choices:
        return " or ".join(map(words_of, choices))
    return ", ".join([_type(schema), *_limits(schema)])


def may_be_null(schema: Schema) -> bool:
    return any(each.get("type") == "null" for each in schema.get("anyOf", ()))


def title_of(name: str) -> str:
    """Of two models of one name, the name says where each is from."""
    *places, short = name.split("__")
    return f"{short} of {places[-2]}" if places else short


def _type(schema: Schema) -> str:
    name: str | None = schema.get("type")
    if name == "array" and (items := schema.get("items")):
        return f"list of {words_of(items)}"
    if name == "object" and isinstance(inner := schema.get("additionalProperties"), Mapping):
        return f"object of {words_of(inner)}"
    return "anything" if name is None else _TYPE_TO_WORD.get(name, name)


def _limits(schema: Schema) -> list[str]:
    return [words.format(_number(schema[key])) for key, words in _LIMIT_TO_WORDS.items() if key in schema]


def _number(limit: object) -> str:
    if not isinstance(limit, int | float):
        return str(limit)
    for power in (31, 63):
        if abs(limit) == 1 << power:
            return f"{'-' if limit < 0 else ''}2^{power}"
    return f"{limit:,.0f}" if limit == int(limit) else f"{limit:g}"
