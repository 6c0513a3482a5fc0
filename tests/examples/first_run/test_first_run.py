"""What is said when it cannot begin, or does not stay; that it works is tested in tests/end_to_end."""

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.first_run.__main__ import main

Capture = pytest.CaptureFixture[str]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def signals_of_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def broken_model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_a_model_that_is_not_there(tmp_path: Path, capsys: Capture) -> None:
    assert main(["--model", str(tmp_path / "away")]) == 1
    assert capsys.readouterr().err.startswith(f"\nmake run: {tmp_path / 'away'} holds no model")


def test_a_port_that_was_asked_for_and_is_taken(broken_model: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--model", str(broken_model), "--http-port", port]) == 1
    assert capsys.readouterr().err.endswith("end what listens there, or write another HTTP_PORT\n")


def test_a_server_that_ends_by_itself_has_the_last_word(
    broken_model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    words = ["--mode", "single", "--http-port", "0", "--grpc-port", "0"]
    assert main(["--model", str(broken_model), *words]) == 1
    said = capsys.readouterr()
    command, *heard = [line for line in said.out.splitlines() if line and not line.startswith("note: ")]
    program = Path(sys.executable).with_name("expertmesh").name
    assert command.startswith("+ ")
    assert f"{program} serve --mode single --model {broken_model} --http-port " in command
    assert "config.json" in heard[0]
    assert f"`{command.removeprefix('+ ')}` has ended with status 1" in said.err
    assert f"doctor --model {broken_model}`" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
