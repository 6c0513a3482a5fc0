"""Blocks cut into single commands, as a person would give them to a shell, one after the other.

Not here: running them (`page_shell`), and what a command must print (`printed`).
"""

import re
import subprocess
from dataclasses import dataclass

from tests.docs.blocks import Block, PageError

PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Command:
    place: str
    text: str
    shown: str | None
    """What the page says that it prints; None: the page says nothing."""


def commands_of(block: Block) -> list[Command]:
    match block.kind:
        case "sh":
            return _of_script(block)
        case "console":
            return _of_console(block)
        case _:
            return []


def _of_script(block: Block) -> list[Command]:
    found: list[Command] = []
    lines: list[str] = []
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        if not lines and (not line.strip() or line.lstrip().startswith("#")):
            continue
        lines.append(line)
        if _is_whole(lines):
            found.append(Command(f"{block.page}:{number - len(lines) + 1}", "\n".join(lines), None))
            lines = []
    if lines:
        raise PageError(f"{block.place}: the command `{lines[0]}` has no end")
    return found


def _of_console(block: Block) -> list[Command]:
    lines = block.text.splitlines()
    found: list[Command] = []
    at = 0
    while at < len(lines):
        if not lines[at].startswith(PROMPT):
            raise PageError(f"{block.page}:{block.line + at}: a console begins with `{PROMPT}` and a command")
        begin, words = at, [lines[at].removeprefix(PROMPT)]
        at += 1
        while not _is_whole(words):
            if at == len(lines):
                raise PageError(f"{block.page}:{block.line + begin}: the command `{words[0]}` has no end")
            words.append(lines[at])
            at += 1
        shown = []
        while at < len(lines) and not lines[at].startswith(PROMPT):
            shown.append(lines[at])
            at += 1
        place = f"{block.page}:{block.line + begin}"
        found.append(Command(place, "\n".join(words), "".join(f"{line}\n" for line in shown)))
    return found


def _is_whole(lines: list[str]) -> bool:
    """Whether a shell would begin to run it, or would wait for more."""
    if lines[-1].endswith("\\"):
        return False
    text = "\n".join(lines)
    if len(lines) == 1 and re.fullmatch(r"[\w./ =:,-]+", text):
        return True  # nothing in it that could be open
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return checked.returncode == 0 and not checked.stderr  # an open here-document is only a warning
