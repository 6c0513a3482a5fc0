"""Commands of ours that stand in the text, in `code`: whether they could be given."""

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator

from cluster.cli import build_parser
from tests.docs.blocks import prose_of

_SPAN = re.compile(r"`((?:\.venv/bin/)?expertmesh [^`]+)`")


def spans_of(page: str, text: str) -> Iterator[tuple[str, str]]:
    """Where each stands, and its words behind `expertmesh`."""
    for number, line in enumerate(prose_of(page, text).splitlines(), start=1):
        for span in _SPAN.findall(line):
            yield f"{page}:{number}", span.split("expertmesh ", 1)[1]


def could_be_given(words: str) -> bool:
    """As a whole; or as the name of a command, with options whose values are left out."""
    return _parses(words) or _names(shlex.split(words))


def _parses(words: str) -> bool:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            build_parser().parse_args(shlex.split(words))
        except SystemExit as ended:
            return ended.code == 0
    return True


def _names(words: list[str]) -> bool:
    command, *options = words
    (choices,) = (
        action.choices for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    if command not in choices:
        return command == "COMMAND" and options == ["--help"]
    known = {option for action in choices[command]._actions for option in action.option_strings}
    return all(option in known for option in options)
