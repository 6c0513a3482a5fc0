"""The fenced blocks of a Markdown page, each with its kind: what the test of the pages runs or reads.

A page that holds something which looks like a command and is in no block, or in one of an unknown kind, is
refused. Not here: what becomes of a block (`commands`, `page_run`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

KINDS = {
    "sh": "commands, in their order; each must succeed",
    "console": "commands behind `$ `, each with what it prints",
    "python": "a program; it must succeed",
    "yaml": "a configuration file, or a part of one",
    "json": "one JSON text",
    "jsonl": "a JSON text in each line",
    "text": "neither commands nor programs: a picture, a format, bytes",
}
"""A second word behind the kind is the name of the file that the block is."""

COMMAND_WORDS = (
    "$", "expertmesh", "make", "pip", "python", "python3", "curl", "buf", "grpcurl", "ray", "cp", "export",
    "source", "git", "kubectl", "docker", "helm",
)  # fmt: skip
"""A line of a `text` block that begins so is a command that would escape."""

_FENCE = re.compile(r"(`{3,}|~{3,})\s*(.*)$")
_INDENTED = re.compile(r"(?: {4,}|\t)\S")
_LIST = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")


class PageError(AssertionError):
    """A page that the test cannot take as it stands; the message begins with file and line."""


@dataclass(frozen=True, slots=True)
class Block:
    page: str
    line: int
    """Of its first line of text."""
    kind: str
    file: str | None
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> list[Block]:
    """Raises PageError for the first thing that is no block of a known kind and should be."""
    return [_checked(block) for block in _fenced(page, text.splitlines())]


def prose_of(page: str, text: str) -> str:
    """The page with its blocks left out, in as many lines."""
    lines = text.splitlines()
    for block in _fenced(page, lines):
        last = block.line + len(block.text.splitlines())
        lines[block.line - 2 : last] = [""] * (last - block.line + 2)
    return "\n".join(lines)


def _fenced(page: str, lines: list[str]) -> Iterator[Block]:
    number, in_list = 0, False
    while number < len(lines):
        line = lines[number]
        fence = _FENCE.match(line.lstrip())
        if fence is None:
            in_list = _LIST.match(line) is not None or (in_list and (not line or line[0] == " "))
            if _INDENTED.match(line) and not in_list:
                raise PageError(f"{page}:{number + 1}: an indented block; fence it, with its kind")
            number += 1
            continue
        if line[0] == " ":
            raise PageError(f"{page}:{number + 1}: a fence that is indented; begin it at the margin")
        end = next((at for at in range(number + 1, len(lines)) if lines[at].strip() == fence[1]), None)
        if end is None:
            raise PageError(f"{page}:{number + 1}: a fence that nothing closes")
        kind, _, file = fence[2].partition(" ")
        yield Block(page, number + 2, kind, file.strip() or None, "\n".join(lines[number + 1 : end]) + "\n")
        number, in_list = end + 1, False


def _checked(block: Block) -> Block:
    if block.kind not in KINDS:
        raise PageError(f"{block.place}: a block of the kind {block.kind!r}; there are {', '.join(KINDS)}")
    if block.kind == "text":
        for line in block.text.splitlines():
            if any(word.rpartition("/")[2] in COMMAND_WORDS for word in line.split(maxsplit=1)[:1]):
                raise PageError(f"{block.place}: `{line.strip()}` looks like a command; a text is not run")
    return block
