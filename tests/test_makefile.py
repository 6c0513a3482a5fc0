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


def test_an_installation_that_fails_says_what_to_do(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "created").touch()
    (venv / "pip.pinned").touch()
    stand_in = venv / "bin/python"
    stand_in.write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n")
    stand_in.chmod(0o755)
    done = run_make("run", "MODE=single", f"VENV={venv}")
    assert done.returncode != 0
    assert re.search(r"No space left(?s:.*)'single' could not be installed(?s:.*)'df -h \.'", done.stderr)
    assert not (venv / "single.installed").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], ["--mode", "cluster"]),
        (
            ["MODE=single", "MODEL=a", "HTTP_PORT=1", "GRPC_PORT=2"],
            ["--mode", "single", "--model", "a", "--http-port", "1", "--grpc-port", "2"],
        ),
        (["CONTROLLER_PORT=3"], ["--mode", "cluster", "--controller-port", "3"]),
    ],
)
def test_a_run_may_be_told_how(said: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "production")  # somebody else's
    monkeypatch.setenv("MODEL", "T")
    done = run_make("-n", "run", *said)
    command = done.stdout[done.stdout.index("-m examples.first_run") :].replace("\\\n", " ").split()
    assert command[2:] == words


def test_a_mode_that_is_not_one_is_refused() -> None:
    assert "MODE is 'ray'; it can be cluster or single" in run_make("run", "MODE=ray").stderr


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
