import re
import sys
from pathlib import Path

import pytest

from cluster.cli import build_parser
from examples.first_run.ports import USUAL, Ports
from examples.first_run.serve_command import DEMO, Mode, ServeCommand
from protos.errors import ConfigError

ROOT = Path(__file__).parents[3]


def test_it_is_what_one_would_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(sys.executable).parents[1])
    assert str(ServeCommand(Mode.SINGLE, Path("a model"), USUAL)) == (
        "bin/expertmesh serve --mode single --model 'a model'"
    )


def test_ports_are_said_where_they_are_not_the_usual_ones() -> None:
    ports = Ports(8000, 9001, 9700)
    mesh = ServeCommand(Mode.CLUSTER, Path("m"), ports).words
    assert " ".join(mesh[1:]) == "serve --mode cluster --model m --grpc-port 9001 --controller-port 9700"
    alone = ServeCommand(Mode.SINGLE, Path("m"), ports).words
    assert " ".join(alone[1:]) == "serve --mode single --model m --grpc-port 9001"


@pytest.mark.parametrize("mode", Mode)
def test_the_command_takes_it(mode: Mode) -> None:
    parsed = build_parser().parse_args(ServeCommand(mode, Path("m"), Ports(1, 2, 3)).words[1:])
    assert (parsed.mode, parsed.model, parsed.http_port, parsed.grpc_port) == (mode, "m", 1, 2)
    assert parsed.controller_port == (3 if mode is Mode.CLUSTER else None)


def test_a_folder_without_a_model_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config.json.*; MODEL=FOLDER is .* serve --model NAME` takes"):
        ServeCommand(Mode.SINGLE, tmp_path, USUAL).check()
    (tmp_path / "config.json").touch()
    ServeCommand(Mode.SINGLE, tmp_path, USUAL).check()


def test_the_demo_comes_back_from_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=re.escape(f"`git checkout -- {DEMO}` brings it back")):
        ServeCommand(Mode.SINGLE, DEMO, USUAL).check()


def test_a_command_that_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ConfigError, match=r"no command .*/expertmesh; .* -e '\.\[single\]'"):
        ServeCommand(Mode.SINGLE, tmp_path, USUAL).check()
