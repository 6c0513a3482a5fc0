"""That a refusal says where, and that nothing hangs."""

import json
import time
from pathlib import Path

import pytest

from model.tokenizer import Tokenizer
from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from protos.errors import InvalidGrammarError
from tests.workers.grammar.walking import ENDLESS, EXHAUSTING, SPECS
from workers.grammar.compiler import GrammarCompiler
from workers.grammar.spec import GrammarSpec


def schema(document: object) -> GrammarSpec:
    return GrammarSpec.json_schema(json.dumps(document))


SCHEMAS: list[tuple[object, str]] = [
    ({"properties": {"a": {"not": {}}}}, '/properties/a: Unimplemented keys: ["not"]'),
    (
        {"$defs": {"x/": {"items": {"if": 1}}, "y": {"if": 1}}, "anyOf": [True, {"$ref": "#/$defs/x~1"}]},
        '/$defs/x~1/items: Unimplemented keys: ["if"]',
    ),
    ({"properties": {"a": {"$ref": "#/$defs/no"}}}, "/properties/a: Pointer '/$defs/no' does not exist"),
    ({"allOf": [{"type": "string"}, {"type": "null"}]}, "/: Unsatisfiable schema: incompatible types"),
    ({"items": [{}, {"type": "string", "pattern": "a(b"}]}, "/items/1: unclosed group"),
    ({"properties": {"b": {"items": 7}}}, "/properties/b/items: schema must be an object or boolean"),
    ({"$ref": "#"}, "/: no text matches it"),
]
NO_OBJECTS = [
    ('{"a":\n 1,,}', "Expecting property name enclosed in double quotes: line 2 column 4 (char 9)"),
    ("[1]", "it holds list, expected an object"),
    ('{"a": 1, "a": 2}', "the key 'a' stands there twice"),
]
REGEXES = [
    ("ab(", " at line 1, column 3: unclosed group"),
    ("a/b\n\n/é[z-a]", " at line 3, column 4: invalid character class range, the start must be <= the end"),
    (
        "a(?=b)",
        " at line 1, column 2: look-around, including look-ahead and look-behind, is not supported",
    ),
    (
        r"\bx",
        r""": invalid regex "\\bx" (in regex): lookarounds not supported yet; WordUnicode in regex /\bx/""",
    ),
]
NAMED = (
    "<|call|>, <|channel|>, <|constrain|>, <|endoftext|>, <|end|>, <|message|>, <|return|>, <|startoftext|>, "
    "<|start|>"
)
LARKS = [
    ('start: "x" b\nb: foo', ' at line 2, column 4: unknown name: "foo"'),
    (
        'start: <|no|> "x"',
        f' at line 1, column 8: unknown special token: "<|no|>"; the vocabulary has {NAMED}',
    ),
    ("start: /a(/", ' at line 1, column 8: invalid regex "a(" (in regex): unclosed group'),
    (
        'start: "a" %json {"type": "intger"}',
        " at line 1, column 8: failed to compile JSON schema: Invalid type: intger",
    ),
    ("start: start", ": no text matches it"),
    ('s: "a"', ": no start rule found"),
    (
        'start: "<[7]" /<[7]/ // <[7]\n # <[7]\n  "a" <[7-9]>',
        " at line 3, column 7: <[…]> names tokens by number; name special tokens as <|name|>",
    ),
]
REFUSED = [
    *((schema(document), f"json_schema at {message}") for document, message in SCHEMAS),
    *(
        (GrammarSpec.json_schema(text), f"json_schema is not a JSON object: {why}")
        for text, why in NO_OBJECTS
    ),
    *((GrammarSpec.regex(text), f"regex{message}") for text, message in REGEXES),
    *((GrammarSpec.lark(text), f"lark{message}") for text, message in LARKS),
]


@pytest.mark.parametrize(("spec", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_refusal_says_where(compiler: GrammarCompiler, spec: GrammarSpec, message: str) -> None:
    with pytest.raises(InvalidGrammarError) as caught:
        compiler.compile(spec)
    assert str(caught.value) == message


def test_reserved_tokens_are_not_listed(tmp_path: Path) -> None:
    write_byte_tokenizer(tmp_path, 277)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace("<|constrain|>", "<|reserved_200003|>"))
    compiler = GrammarCompiler(Tokenizer.open(tmp_path, 277))
    with pytest.raises(InvalidGrammarError, match=r"the vocabulary has <\|call\|>") as caught:
        compiler.compile(GrammarSpec.lark("start: <|no|>"))
    assert "reserved" not in str(caught.value)
    assert compiler.compile(GrammarSpec.lark("start: <|reserved_200003|>")).vocab_size == 277
    compiler.close()


HUGE = {
    "patterns that meet": schema(ENDLESS),
    "patterns that must differ": schema({"patternProperties": {f"^x{i}[a-z]*$": {} for i in range(400)}}),
    "very many properties": schema({"properties": {f"p{i}": {"type": "null"} for i in range(8000)}}),
    "choices in choices": schema(
        {"allOf": [{"anyOf": [{"required": [f"x{i}{j}"]} for j in range(9)]} for i in range(12)]}
    ),
    "too deep": GrammarSpec.json_schema('{"items":' * 900 + "{}" + "}" * 900),
    "deep brackets": GrammarSpec.lark("start: " + "(" * 20_000 + '"a"' + ")" * 20_000),
}


@pytest.mark.parametrize("name", HUGE)
def test_what_is_too_much_is_refused_soon(compiler: GrammarCompiler, name: str) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidGrammarError):
        compiler.compile(HUGE[name])
    assert time.monotonic() - began < 10  # about two seconds on a quiet machine; a hang would take minutes


def test_a_grammar_is_compiled_once(compiler: GrammarCompiler) -> None:
    assert compiler.compile(SPECS["schema"]) is compiler.compile(SPECS["schema"])


def test_the_grammars_used_last_are_remembered(compiler: GrammarCompiler) -> None:
    specs = [GrammarSpec.choice(f"c{index}") for index in range(40)]
    first = compiler.compile(specs[0])
    compiled = [compiler.compile(specs[0] if index == 20 else spec) for index, spec in enumerate(specs)]
    assert compiler.compile(specs[0]) is first  # it was used in between
    assert compiler.compile(specs[39]) is compiled[39]
    assert compiler.compile(specs[1]) is not compiled[1]


def test_what_is_nested_too_deeply_is_said_of_the_whole(compiler: GrammarCompiler) -> None:
    with pytest.raises(InvalidGrammarError, match=r"^json_schema at /: recursion limit exceeded"):
        compiler.compile(GrammarSpec.json_schema('{"items":' * 200 + "{}" + "}" * 200))


def test_an_exhausted_grammar_is_compiled_again(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    (letter,) = tokenizer.encode("a")
    compiled = compiler.compile(EXHAUSTING)
    state = compiled.begin()
    with pytest.raises(InvalidGrammarError, match="too complex while it was followed"):
        all(state.accept(letter) for _ in range(2000))
    assert compiled.is_exhausted()
    again = compiler.compile(EXHAUSTING)
    assert again is not compiled
    assert again.begin().accept(letter)


def test_what_a_schema_says_of_blanks_stands(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    compact = schema({"type": "object", "x-guidance": {"whitespace_flexible": False}})
    assert (
        compiler.compile(compact).begin(tokenizer.encode('{"a":1')).valid_prefix(tokenizer.encode("}")) == 1
    )
    assert (
        compiler.compile(compact).begin(tokenizer.encode('{"a":')).valid_prefix(tokenizer.encode(" 1")) == 0
    )
    assert compiler.compile(SPECS["object"]).begin(tokenizer.encode('{"a":')).accept(tokenizer.encode(" ")[0])
