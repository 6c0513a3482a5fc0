"""The part of docs/commands.md: each command with all that it may be told, read off its parser."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from cluster.cli import build_parser
from tools.docs.markdown import one_line, table

_EXAMPLES = ("examples:", "a line of the input", "  ")


def commands(_: Path) -> str:
    return "\n\n".join(part for name, parser in every_command() for part in _command(name, parser))


def every_command() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """In the order of the help."""
    (choices,) = (
        action.choices for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    yield from choices.items()


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## expertmesh {name}"
    if parser.description:
        yield one_line(parser.description)
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    yield table(("", ""), [(_words(action), _meaning(action)) for action in actions])
    yield from map(one_line, _paragraphs(parser.epilog or ""))


def _words(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    if action.nargs == 0:
        return f"`{', '.join(action.option_strings)}`"
    value = action.metavar or "{" + ",".join(map(str, action.choices or ())) + "}"
    return f"`{', '.join(action.option_strings)} {value}`"


def _meaning(action: argparse.Action) -> str:
    said = (action.help or "") % {"default": action.default}
    return f"{said}; must be there" if action.required and action.option_strings else said


def _paragraphs(epilog: str) -> Iterator[str]:
    """Without the examples, which the help shows."""
    for paragraph in epilog.split("\n\n"):
        if paragraph and not paragraph.startswith(_EXAMPLES):
            yield paragraph
