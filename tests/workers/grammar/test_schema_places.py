"""With a stand-in for the compiler that walks down as it does, and refuses the key "bad"."""

from typing import Any

import pytest

from workers.grammar.schema_places import Schema, refused_place

BAD: Schema = {"bad": 1}
GOOD: Schema = {"type": "string"}
USED_AND_NOT: Schema = {
    "$defs": {"unused": BAD, "used": {"items": BAD}},
    "items": {"$ref": "#/$defs/used"},
}
AROUND: Schema = {
    "$defs": {"x": {"anyOf": [{"$ref": "#/$defs/y"}, {"$ref": "#/$defs/x"}]}, "y": BAD},
    "$ref": "#/$defs/x",
}


def refusal(schema: Any, root: Any = None) -> str:
    if not isinstance(schema, dict):
        return "" if isinstance(schema, bool) else "no schema"
    whole = root if root is not None else schema
    if "bad" in schema:
        return "it is bad"
    reference = schema.get("$ref")
    below = (
        [whole["$defs"][reference.rpartition("/")[2].replace("%20", " ").replace("~1", "/")]]
        if isinstance(reference, str)
        else []
    )
    for key in ("items", "additionalProperties"):
        below += [schema[key]] if key in schema else []
    for key in ("anyOf", "allOf", "prefixItems"):
        below += schema.get(key, [])
    for key in ("properties", "patternProperties"):
        below += schema.get(key, {}).values()
    return next(filter(None, (refusal(each, whole) for each in below)), "")


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (BAD, "/"),
        ({"properties": {"a": GOOD, "b": BAD}}, "/properties/b"),
        ({"properties": {"a/b": {"properties": {"~": BAD}}}}, "/properties/a~1b/properties/~0"),
        ({"patternProperties": {"^x": {"items": BAD}}}, "/patternProperties/^x/items"),
        ({"anyOf": [GOOD, {"allOf": [GOOD, GOOD, BAD]}]}, "/anyOf/1/allOf/2"),
        ({"prefixItems": [GOOD, BAD], "items": GOOD}, "/prefixItems/1"),
        ({"additionalProperties": BAD}, "/additionalProperties"),
        ({"items": True, "properties": {"a": BAD}}, "/properties/a"),
        ({"properties": {"a": {"items": 5}}}, "/properties/a/items"),
        (USED_AND_NOT, "/$defs/used/items"),
        (AROUND, "/$defs/y"),
        ({"$defs": {"a b/": BAD}, "items": {"$ref": "#/$defs/a%20b~1"}}, "/$defs/a b~1"),
    ],
)
def test_the_smallest_part_with_the_same_reason_is_named(schema: Schema, place: str) -> None:
    reason = refusal(schema)
    assert reason
    assert refused_place(schema, reason, refusal, patience_s=60) == place


def test_a_part_that_is_refused_for_another_reason_is_not_blamed() -> None:
    reasons = {"root": "first", "other": "second"}
    schema: Schema = {"title": "root", "properties": {"a": {"title": "other"}}}
    found = refused_place(schema, "first", lambda part: reasons.get(str(part.get("title")), ""), 60)
    assert found == "/"


def test_without_patience_it_names_the_whole() -> None:
    schema: Schema = {"properties": {"b": BAD}}
    assert refused_place(schema, "it is bad", refusal, patience_s=-1) == "/"


@pytest.mark.parametrize("reference", ["#/$defs/none", "#/$defs/a/b/c", "http://elsewhere/x", "#", 7])
def test_a_reference_to_nowhere_ends_the_search(reference: object) -> None:
    schema: Schema = {"$defs": {"a": 1}, "$ref": reference}
    assert refused_place(schema, "no such", lambda part: "no such" if "$ref" in part else "", 60) == "/"


def test_a_definition_that_leads_to_itself_is_gone_around_once() -> None:
    tried: list[Schema] = []

    def always(part: Schema) -> str:
        tried.append(part)
        assert len(tried) < 10
        return "always"

    schema: Schema = {"$defs": {"x": {"items": {"$ref": "#/$defs/x"}}}, "anyOf": [{"$ref": "#/$defs/x"}]}
    assert refused_place(schema, "always", always, 60) == "/$defs/x/items"
