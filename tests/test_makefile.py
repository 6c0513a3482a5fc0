"""The commands before there is an environment: the help, and what a machine without a fit Python is told."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()


def run_make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As a shell would call it, although this test may itself run under make."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_default_is_a_help_that_names_every_command() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)
    done = run_make()
    assert re.findall(r"^  make (\w+) +\S", done.stdout, flags=re.MULTILINE) == phony.split()


@pytest.mark.parametrize(
    ("python", "advice"),
    [
        (
            'test "$1" = --version && echo Python 3.9.2',
            "needs Python 3.11 or newer, and '{python}' is: Python 3.9.2",
        ),
        ('case "$2" in *ensurepip*) exit 1; esac', "apt-get install python3-venv"),
    ],
    ids=["an old Python", "a Python without venv"],
)
def test_an_unfit_python_is_refused_with_advice(tmp_path: Path, python: str, advice: str) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\n{python}\n")
    stand_in.chmod(0o755)
    done = run_make("test", f"PYTHON={stand_in}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert advice.format(python=stand_in) in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_missing_python_is_refused_with_advice(tmp_path: Path) -> None:
    done = run_make("test", f"PYTHON={tmp_path / 'absent'}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "make PYTHON=python3.12" in done.stderr


def test_an_extra_holds_those_that_count_as_installed_with_it() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    def held_by(extra: str) -> set[str]:
        own = [Requirement(line) for line in extras[extra] if line.startswith("expertmesh[")]
        inner = {name for requirement in own for name in requirement.extras}
        return inner.union(*map(held_by, inner))

    claims = re.findall(r"^(\w+)_holds := (.+)$", MAKEFILE, flags=re.MULTILINE)
    assert {extra for extra, _ in claims} == {"test", "check"}
    for extra, counted in claims:
        assert set(counted.split()) <= held_by(extra)
