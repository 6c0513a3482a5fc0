"""docs/commands.md holds every command and what it may be told; examples of the help parse."""

import re
import shlex
from pathlib import Path

import pytest

from cluster.cli import build_parser, main
from tools.docs.command_pages import every_command

PAGE = (Path(__file__).parents[3] / "docs/commands.md").read_text()
COMMANDS = dict(every_command())
EXAMPLE = re.compile(r"^  (?:\w+=\S+ |ray start --head && )?expertmesh (.+?)(?:  +\S.*)?$", re.MULTILINE)


def examples() -> list[str]:
    helps = [(parser.epilog or "").replace("\\\n", "") for parser in COMMANDS.values()]
    return [example for text in helps for example in EXAMPLE.findall(text)]


def test_every_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.findall(r"^## expertmesh (\w+)$", PAGE, re.MULTILINE) == list(COMMANDS)
    for name in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        told = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
        section = PAGE.partition(f"## expertmesh {name}\n")[2].partition("\n## ")[0]
        assert told == set(re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE)), name


def test_examples_of_the_help_parse() -> None:
    found = examples()
    assert len(found) > 25
    for example in found:
        build_parser().parse_args(shlex.split(example))
