"""What the tests of grammars have in common: grammars of every kind, and which tokens a row allows."""

import json

from model.tokenizer import Tokenizer
from workers.grammar.masks import FilledMasks, words_per_row
from workers.grammar.spec import GrammarSpec
from workers.grammar.state import GrammarState

SCHEMA = {
    "type": "object",
    "properties": {
        "then": {"enum": ["the in", "ant", "12"]},
        "number": {"type": "integer", "minimum": -3, "maximum": 1200},
        "names": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
    },
    "required": ["then", "number", "names"],
    "additionalProperties": False,
}
ENVELOPE = (
    'start: <|channel|> "analysis" <|message|> /[a-z ]{0,20}/ <|end|> '
    '<|start|> "assistant" <|channel|> "final" <|message|> body <|return|>\n'
    "body: %json " + json.dumps(SCHEMA)
)
CHOICES = ("the", "then", "in an", "12 é🙂", '"\\\n\0', "")
PATTERN = r"(the|in|an){2,3} [0-9a-f]{3}(é|🙂)?"
SPECS = {
    "schema": GrammarSpec.json_schema(json.dumps(SCHEMA)),
    "object": GrammarSpec.json_object(),
    "regex": GrammarSpec.regex(PATTERN),
    "choice": GrammarSpec.choice(*CHOICES),
    "envelope": GrammarSpec.lark(ENVELOPE),
    "call": GrammarSpec.lark('start: "th" /[a-n]{1,3}/ (<|call|> | <|end|> "in"?)'),
}

EXHAUSTING = GrammarSpec.regex("((ab|a|b){1,80}c?){5,90}z")
"""Compiles, and outgrows the compiler's limits after some dozens of letters."""
ENDLESS = {"allOf": [{"type": "string", "pattern": f"a.{{{10 + index}}}b"} for index in range(30)]}
"""A schema that the compiler alone works on for five minutes, to break in the end."""


def allowed_ids(masks: FilledMasks, row: int, vocab_size: int) -> list[int]:
    start = row * words_per_row(vocab_size)
    return [
        token_id for token_id in range(vocab_size) if masks.words[start + token_id // 32] >> token_id % 32 & 1
    ]


def acceptable_ids(state: GrammarState) -> list[int]:
    """By trying every token: what a mask must equal."""
    return [token_id for token_id in range(state.vocab_size) if state.copy().accept(token_id)]


def towards_the_end(tokenizer: Tokenizer, ids: list[int]) -> int:
    """Of the allowed tokens the one that makes an end of JSON soonest; any one where there is none such."""
    wanted = [*sorted(tokenizer.stop_ids), *(tokenizer.encode(mark)[0] for mark in ('"', "}", "]"))]
    return next((token_id for token_id in wanted if token_id in ids), ids[0])
