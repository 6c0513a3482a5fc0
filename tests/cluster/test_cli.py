"""The command's manners: help, exit codes, errors as sentences. What a command does is tested where it is."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster import cli
from protos.errors import CapacityError, ConfigError

Run = Callable[[argparse.Namespace], None]
UseCommand = Callable[[Run], None]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def use_command(monkeypatch: pytest.MonkeyPatch) -> UseCommand:
    """Gives the real `main` one command, `try`, that runs the given function."""

    def use(run: Run) -> None:
        parser = argparse.ArgumentParser(prog="expertmesh")
        parser.add_subparsers(required=True).add_parser("try").set_defaults(run=run)
        monkeypatch.setattr(cli, "build_parser", lambda: parser)

    return use


def exit_code(arguments: list[str]) -> int:
    """What the shell would see."""
    try:
        return cli.main(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1


def commands() -> dict[str, str]:
    """Each command that the help lists, with its summary."""
    section = cli.build_parser().format_help().partition("\ncommands:\n")[2]
    return dict(re.findall(r"^    ([\w-]+)\s+(\S.*)$", section, flags=re.MULTILINE))


def test_the_installed_command_answers() -> None:
    script = Path(sys.executable).with_name("expertmesh")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: expertmesh ")
    assert "\ncommands:\n" in done.stdout
    assert done.stderr == ""


def test_every_command_has_a_summary_and_its_own_help(capsys: Capture) -> None:
    if not commands():
        pytest.skip("no command is built yet")
    for name, summary in commands().items():
        assert summary, name
        assert exit_code([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"usage: expertmesh {name} ")


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["--no-such-option"]])
def test_wrong_usage_is_2_and_a_sentence(arguments: list[str], capsys: Capture) -> None:
    assert exit_code(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: expertmesh ")
    assert "\nexpertmesh: error: " in printed.err


def test_success_is_0_and_silent(use_command: UseCommand, capsys: Capture) -> None:
    ran: list[argparse.Namespace] = []
    use_command(ran.append)
    assert exit_code(["try"]) == 0
    assert len(ran) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [ConfigError("port is 0"), CapacityError("the queue is full")])
def test_a_foreseen_failure_is_1_and_a_sentence(
    error: Exception, use_command: UseCommand, capsys: Capture
) -> None:
    def fail(_: argparse.Namespace) -> None:
        raise error

    use_command(fail)
    assert exit_code(["try"]) == 1
    assert capsys.readouterr() == ("", f"expertmesh: {error}\n")


def test_a_bug_keeps_its_traceback(use_command: UseCommand) -> None:
    def fail(_: argparse.Namespace) -> None:
        raise ZeroDivisionError

    use_command(fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["try"])


def test_no_command_runs_beside_foreign_kernels(
    tmp_path: Path, use_command: UseCommand, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "kernels-9.8.7.dist-info").mkdir()
    (tmp_path / "kernels-9.8.7.dist-info" / "METADATA").write_text("Name: kernels\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    ran: list[argparse.Namespace] = []
    use_command(ran.append)
    assert exit_code(["try"]) == 1
    assert ran == []
    assert capsys.readouterr().err.startswith("expertmesh: the PyPI package 'kernels' 9.8.7")


def test_a_package_that_is_not_installed_is_named(use_command: UseCommand, capsys: Capture) -> None:
    def fail(_: argparse.Namespace) -> None:
        raise ModuleNotFoundError("No module named 'ray'", name="ray")

    use_command(fail)
    assert exit_code(["try"]) == 1
    assert capsys.readouterr().err.startswith("expertmesh: the package ray is not installed")


def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "cluster", "plan", "--model", "gpt-oss-20b", "--gpu", "L40S"]
    with open(writing, "wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--model", "m", "--drain-s", "-1"], "-1 is no time to wait"),
        (["gateway", "--config", "f", "--drain-s", "inf"], "inf is no time to wait"),
        (["gateway", "--config", "f", "--mesh", "10.0.0.1"], "'10.0.0.1' is no HOST:PORT"),
    ],
)
def test_values_that_cannot_be_are_wrong_usage(words: list[str], said: str, capsys: Capture) -> None:
    assert exit_code(words) == 2
    assert said in capsys.readouterr().err
