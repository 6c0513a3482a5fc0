"""Writes a `GrammarSpec` as llguidance wants to read it.

Not here: whether it compiles. Two choices of ours stand here: no forcing (else a mask would allow only one of
the ways to cut forced text into tokens, while every way is accepted), and an end to blanks (a model that has
nothing to say in JSON likes to say it with line feeds until its tokens are spent).
"""

import json
import re
from collections.abc import Mapping, Sequence

from llguidance import regex_to_lark

from model.strict_json import parse_object
from protos.errors import InvalidGrammarError
from workers.grammar.spec import GrammarKind, GrammarSpec

HEADER = '%llguidance {"no_forcing": true}\n'
"""One line, which positions in error messages have to be corrected by."""

MAX_BLANKS = 64
_JSON_OPTIONS = {"whitespace_pattern": rf"[ \n\r\t]{{1,{MAX_BLANKS}}}"}
_BLANK_OPTIONS = {"whitespace_flexible", "whitespace_pattern"}

_LARK_PARTS = re.compile(
    r'"(?:\\.|[^"\\\n])*"|//[^\n]*|#[^\n]*|/(?:\\.|[^/\\\n])+/|(?P<numbers><\[)', re.DOTALL
)


def grammar_text(spec: GrammarSpec) -> str:
    match spec.kind:
        case GrammarKind.JSON_SCHEMA:
            return schema_grammar(parse_schema(spec))
        case GrammarKind.JSON_OBJECT:
            return schema_grammar({"type": "object"})
        case GrammarKind.REGEX:
            return f"{HEADER}start: {regex_body(spec.text)}"
        case GrammarKind.CHOICE:
            return f"{HEADER}start: CHOICE\nCHOICE: {choice_body(spec.choices)}"
        case GrammarKind.LARK:
            _refuse_numbers(spec.text)
            return HEADER + spec.text


def parse_schema(spec: GrammarSpec) -> dict[str, object]:
    try:
        return parse_object(spec.text.encode())
    except ValueError as error:
        raise InvalidGrammarError(f"json_schema is not a JSON object: {error}") from error


def schema_grammar(schema: Mapping[str, object]) -> str:
    grammars = [
        {"lark_grammar": f"{HEADER}start: @schema"},
        {"name": "schema", "json_schema": with_bounded_blanks(schema)},
    ]
    return json.dumps({"grammars": grammars})


def with_bounded_blanks(schema: Mapping[str, object]) -> dict[str, object]:
    """What the schema says of blanks itself (llguidance's "x-guidance") stands."""
    said = schema.get("x-guidance", {})
    options = said if isinstance(said, dict) else {}
    if not _BLANK_OPTIONS & options.keys():
        options = options | _JSON_OPTIONS
    return {**schema, "x-guidance": options}


def regex_body(pattern: str) -> str:
    """As Lark wants it."""
    return f"/{regex_to_lark(pattern, '')}/"


def choice_body(choices: Sequence[str]) -> str:
    return " | ".join(map(json.dumps, choices))


def _refuse_numbers(lark: str) -> None:
    """Token ids by number reach tokens that have no text, and mean others in another vocabulary."""
    for found in _LARK_PARTS.finditer(lark):
        if found["numbers"]:
            before = lark[: found.start()]
            line, column = before.count("\n") + 1, found.start() - before.rfind("\n")
            raise InvalidGrammarError(
                f"lark at line {line}, column {column}: <[…]> names tokens by number; name special tokens "
                f"as <|name|>"
            )
