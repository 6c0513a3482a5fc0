"""Turns what llguidance says against a grammar into a sentence that says where, for whoever wrote it.

Not here: the place inside a JSON schema, which llguidance does not say (`schema_places` finds it).
"""

import re
from bisect import bisect_left
from collections.abc import Iterable

from llguidance import regex_to_lark

from workers.grammar.grammar_text import HEADER
from workers.grammar.spec import GrammarKind, GrammarSpec

_MAX_LENGTH = 300
_POSITION = re.compile(r"\A(?:at )?(?P<line>\d+)\((?P<column>\d+)\): ")
_UNKNOWN_SPECIAL = "; following special tokens are available:"
_REGEX_ERROR = re.compile(
    r"regex parse error:\n {4}(?P<shown>[^\n]*)\n(?P<blanks> *)\^+\n(?:[^\n]*\n)*?error: (?P<reason>[^\n]*)"
)
_RESERVED = re.compile(r"reserved", re.IGNORECASE)
_HEADER_LINES = HEADER.count("\n")
_NOTHING_MATCHES = "NoExtensionBias"


def describe(spec: GrammarSpec, message: str, special_names: Iterable[str]) -> str:
    """`message` is about the grammar that `grammar_text` wrote for the spec."""
    match spec.kind:
        case GrammarKind.LARK:
            return _describe_lark(message, special_names)
        case GrammarKind.REGEX:
            return _describe_regex(spec.text, message)
    return f"{spec.kind}: {shorten(message)}"


def shorten(message: str) -> str:
    """The message on one line, without excerpts and lists."""
    if message.startswith(_NOTHING_MATCHES):
        return "no text matches it"
    if message.startswith("panic"):
        return "the compiler breaks on it; write it in a simpler way"
    if found := _REGEX_ERROR.search(message):
        message = f"{message[: found.start()]}{found['reason']}"
    line = message.partition("\n")[0].strip()
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"


def _describe_lark(message: str, special_names: Iterable[str]) -> str:
    place, said = "lark", message
    if found := _POSITION.match(message):
        place = f"lark at line {max(int(found['line']) - _HEADER_LINES, 1)}, column {found['column']}"
        said = message[found.end() :]
    reason, marker, _ = said.partition(_UNKNOWN_SPECIAL)
    if marker:
        named = sorted(name for name in special_names if not _RESERVED.search(name))
        return f"{place}: {reason}; the vocabulary has {', '.join(named)}"
    return f"{place}: {shorten(said)}"


def _describe_regex(pattern: str, message: str) -> str:
    found = _REGEX_ERROR.search(message)
    if not found:
        said = message[position.end() :] if (position := _POSITION.match(message)) else message
        return f"regex: {shorten(said)}"
    offset = _offset_in(pattern, len(found["blanks"]) - 4)
    before = pattern[:offset]
    line, column = before.count("\n") + 1, offset - before.rfind("\n")
    return f"regex at line {line}, column {column}: {found['reason']}"


def _offset_in(pattern: str, shown_offset: int) -> int:
    """llguidance shows a line feed and a slash in two characters, so count in what it shows."""
    return bisect_left(
        range(len(pattern)), shown_offset, key=lambda offset: len(regex_to_lark(pattern[:offset], ""))
    )
