"""Whether a command has printed what its page shows, but for what differs from run to run.

Numbers, sizes and ids of hexadecimal digits may be others; blanks count as one, and empty lines not at all.
In what a page shows, … stands for any text of a line, and for any lines where it is a line of its own.
"""

import re

ANY = "…"
_SIZE = re.compile(r"\b(\d[\d.,]*) ?(?:[kKMGT]i?)?B\b")
_ID = re.compile(r"(?<![^\W_])(?=[0-9a-f]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*(?![^\W_])")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*(?:e[+-]?\d+)?")


def is_as_shown(shown: str, printed: str) -> bool:
    pattern = "".join(map(_pattern, _lines(shown)))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(printed))) is not None


def _lines(text: str) -> list[str]:
    lines = [_without_figures(" ".join(line.split())) for line in text.splitlines()]
    return [line for line in lines if line]


def _without_figures(line: str) -> str:
    return _NUMBER.sub("#", _ID.sub("#", _SIZE.sub("# B", line)))


def _pattern(line: str) -> str:
    if line == ANY:
        return r"(?:.*\n)*"
    return ".*".join(map(re.escape, line.split(ANY))) + r"\n"
