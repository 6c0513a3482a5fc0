"""Writes a JSON schema as the TypeScript-like type that the model was trained to read.

Every blank counts: equal to the format, token for token. What a schema says beyond these keywords (minimum,
anyOf, $ref, …) the format does not write, and the model does not see. Not here: the lines around it
(`tool_namespace`).
"""

from collections.abc import Iterator, Mapping

from gateway.harmony.literal import literal

Schema = Mapping[str, object]

_ANY = "any"
_WRITTEN_AS = {"integer": "number"}
_PLAIN = frozenset({"number", "integer", "boolean"})


def signature(schema: object, indent: str = "") -> str:
    """The type, its later lines indented. Whatever is no schema is `any`."""
    if not isinstance(schema, Mapping):
        return _ANY
    if isinstance(variants := schema.get("oneOf"), list):
        return "".join(f"\n{indent} | {_variant(each, indent)}" for each in variants)
    kind = schema.get("type")
    if isinstance(kind, list) and (names := [name for name in kind if isinstance(name, str)]):
        return " | ".join(_WRITTEN_AS.get(name, name) for name in names)
    match kind:
        case "object":
            return _object(schema, indent)
        case "string":
            return " | ".join(f'"{value}"' for value in _texts(schema.get("enum"))) or "string"
        case "array":
            has_items = "items" in schema
            return f"{signature(schema['items'], indent)}[]" if has_items else "Array<any>"
        case str() if kind in _PLAIN:
            return _WRITTEN_AS.get(kind, kind)
    return _ANY


def _variant(variant: object, indent: str) -> str:
    """One of a type that stands in no property."""
    comments = [*_description(variant)]
    if isinstance(variant, Mapping) and "default" in variant:
        default = variant["default"]
        shown = _default(variant) if not _is_enumeration(variant) else literal(default)
        comments.append(f"default: {shown}")
    return _nullable(variant, signature(variant, f"{indent}   ")) + _trailing(comments)


def _object(schema: Schema, indent: str) -> str:
    properties = schema.get("properties")
    required = frozenset(_texts(schema.get("required")))
    lines = [f"{indent}// {text}\n" for text in _description(schema)]
    lines.append("{\n")
    for name, value in properties.items() if isinstance(properties, Mapping) else ():
        declared = f"{indent}{name}{'' if name in required else '?'}:"
        lines += _property(declared, value, indent)
    lines.append(f"{indent}}}")
    return "".join(lines)


def _property(declared: str, value: object, indent: str) -> Iterator[str]:
    schema: Schema = value if isinstance(value, Mapping) else {}
    if isinstance(title := schema.get("title"), str):
        yield f"{indent}// {title}\n{indent}//\n"
    if "oneOf" not in schema:
        yield from (f"{indent}// {text}\n" for text in _description(schema))
    if isinstance(examples := schema.get("examples"), list) and examples:
        yield f"{indent}// Examples:\n"
        yield from (f'{indent}// - "{example}"\n' for example in _texts(examples))
    if isinstance(variants := schema.get("oneOf"), list):
        yield from _property_of_variants(declared, schema, variants, indent)
        return
    shown = _nullable(schema, signature(value, f"{indent}    "))
    default = f" // default: {_default(schema)}" if "default" in schema and "oneOf" not in schema else ""
    yield f"{declared} {shown},{default}\n"


def _property_of_variants(
    declared: str, schema: Schema, variants: list[object], indent: str
) -> Iterator[str]:
    """Its description stands above, unless it is that of the first variant; then nobody says it."""
    described = [*_description(schema)]
    is_said_above = bool(described) and described != [*_description(variants[0] if variants else None)]
    if is_said_above:
        yield f"{indent}// {described[0]}\n"
    if "default" in schema:
        yield f"{indent}// default: {_default(schema)}\n"
    yield f"{declared}\n"
    for index, variant in enumerate(variants):
        shown = _nullable(variant, signature(variant, f"{indent}   "))
        is_silent = index == 0 and is_said_above
        comments = [text for text in _description(variant) if not is_silent and text not in described]
        if isinstance(variant, Mapping) and "default" in variant:
            comments.append(f"default: {_default(variant)}")
        yield f"{indent} | {shown}{_trailing(comments)}\n"
    yield f"{indent},\n"


def _description(schema: object) -> Iterator[str]:
    """The one that there is, if there is one."""
    if isinstance(schema, Mapping) and isinstance(text := schema.get("description"), str):
        yield text


def _default(schema: Schema) -> str:
    """Text in quotation marks, but not a member of an enumeration; neither is escaped."""
    value = schema["default"]
    if not isinstance(value, str):
        return literal(value)
    return value if _is_enumeration(schema) else f'"{value}"'


def _is_enumeration(schema: Schema) -> bool:
    return isinstance(members := schema.get("enum"), list) and bool(members)


def _nullable(schema: object, shown: str) -> str:
    is_nullable = isinstance(schema, Mapping) and schema.get("nullable") is True
    return f"{shown} | null" if is_nullable and "null" not in shown else shown


def _trailing(comments: list[str]) -> str:
    return f" // {' '.join(comments)}" if comments else ""


def _texts(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
