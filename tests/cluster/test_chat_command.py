"""`expertmesh chat` as a person runs it: through a pipe, with a question, on a real terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cluster.cli import main
from tests.cluster.chat.scripted_gateway import PAUSE, delta, finish, usage
from tests.cluster.conftest import Serve

Capture = pytest.CaptureFixture[str]

SOURCE_TREE = Path(__file__).parents[2]
WITHIN_S = 30.0
ANSWER = [delta(reasoning="hm"), delta(content="It "), delta(content="is."), finish("stop"), usage(9, 4)]
WITHOUT_ANYTHING_HEAVY = """
import sys
for name in ("torch", "ray", "grpc", "numpy", "pydantic", "yaml", "starlette"):
    sys.modules[name] = None  # importing it is an error from now on
from cluster.cli import main
sys.exit(main(sys.argv[1:]))
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", WITHOUT_ANYTHING_HEAVY, "chat", *words]


def environment(**more: str) -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE_TREE), "TERM": "xterm", **more}


def piped(question: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        input=question,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def test_a_pipe_gets_the_answer_and_nothing_else(serve: Serve) -> None:
    gateway = serve(ANSWER)
    done = piped("Is it?\nReally?\n", "--url", gateway.url, "--effort", "low", "--system", "Be brief.")
    assert (done.returncode, done.stdout, done.stderr) == (0, "It is.\n", "")
    (request,) = gateway.requests
    assert request["model"] == "scripted"
    assert request["reasoning_effort"] == "low"
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it?\nReally?"},
    ]


def test_a_question_may_stand_behind_the_command(serve: Serve, capsys: Capture) -> None:
    gateway = serve(ANSWER)
    words = ["--model", "mine", "--seed", "0", "--temperature", "0", "--max-tokens", "7"]
    assert main(["chat", "Is it?", "--url", gateway.url, *words]) == 0
    assert capsys.readouterr().out == "It is.\n"
    (request,) = gateway.requests
    assert (request["model"], request["seed"], request["temperature"]) == ("mine", 0, 0.0)
    assert request["max_completion_tokens"] == 7


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--url", "127.0.0.1:1", "x"], "no gateway answers at http://127.0.0.1:1 ("),
        (["--url", "nowhere", "--tools", "absent.json", "--model", "m", "x"], "absent.json cannot be read"),
        (["--url", "ftp://h", "x"], "--url is ftp://h"),
        (["--url", "h", "--model", "m", " "], "there is no question"),
    ],
)
def test_what_cannot_be_is_said_in_words(
    words: list[str], sentence: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["chat", *words]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("expertmesh: ")
    assert sentence in printed.err


def test_a_refused_question_is_1_and_the_gateways_words(serve: Serve) -> None:
    done = piped("x", "--url", serve((400, {"error": {"message": "too long by 3"}})).url)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "expertmesh: too long by 3\n")


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, arguments: list[str], env: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
        )
        os.close(theirs)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, text: str) -> None:
        """It is behind what was waited for before."""
        end = time.monotonic() + WITHIN_S
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} did not come: {self.seen!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.seen += os.read(self._ours, 4096).decode()
        self.seen = self.seen.partition(text)[2]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(serve: Serve) -> Iterator[Terminal]:
    gateway = serve([delta(content="It i"), PAUSE], ANSWER)
    made = Terminal(command("--url", gateway.url), environment(NO_COLOR=""))
    yield made
    made.close()


def test_a_terminal_is_a_conversation(terminal: Terminal) -> None:
    terminal.wait_for("scripted; /help shows")
    terminal.wait_for("> ")
    terminal.type("Is it?\n")
    terminal.wait_for("It i")
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for("[cancelled · ")
    terminal.wait_for("> ")
    terminal.type("And now?\n")
    terminal.wait_for("\x1b[2mhm\x1b[0m")
    terminal.wait_for("It is.")
    terminal.wait_for("9 in · 4 out · ")
    terminal.wait_for("> ")  # a Ctrl-D before it is asked for a line is not heard
    terminal.type("\x04")
    assert terminal.process.wait(WITHIN_S) == 0


def test_without_colour_nothing_is_coloured(serve: Serve) -> None:
    terminal = Terminal(command("Is it?", "--url", serve(ANSWER).url), environment(NO_COLOR="1"))
    try:
        terminal.wait_for("(hm)\r\n\r\nIt is.\r\n[9 in · 4 out")
        assert not re.search(r"\x1b\[", terminal.seen)
        assert terminal.process.wait(WITHIN_S) == 0
    finally:
        terminal.close()
