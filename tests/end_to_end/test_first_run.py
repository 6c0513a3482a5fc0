"""`make run` as a newcomer has it: both modes, one beside the other, to the last line and to the end."""

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.run_process import WITHIN_S, RunProcess, ports_in, still_there

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a short name: Ray's sockets lie below it."""
    made = Path(tempfile.mkdtemp(prefix="run-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


def test_a_mesh_and_another_run_beside_it(folder: Path) -> None:
    """Whatever ports are taken already; the second takes others, and both end without a trace."""
    runs: list[RunProcess] = []
    try:
        for mode in ("cluster", "single"):
            run = RunProcess(folder, "--mode", mode)
            runs.append(run)
            run.wait_last_line()
            has_answered(run)
            is_what_was_pasted(run)
        mesh, alone = runs
        names = set(mesh.processes().values())
        assert {"ray::attention-0", "ray::expert-0", "ray::expert-1"} <= names
        assert re.search(r"^expert-1 +serving ", mesh.text, re.MULTILINE)
        assert re.search(
            r"^note: port \d+ is taken, so it is \d+; HTTP_PORT=N chooses another$", alone.text, re.M
        )
        assert not [args for args in alone.processes().values() if "ray" in args]
        for run in runs:
            leaves_nothing(run)
        assert list(folder.iterdir()) == []
    finally:
        for run in runs:
            run.close()


@pytest.mark.parametrize("times", [2, 3])
def test_who_cannot_wait_leaves_nothing_either(folder: Path, times: int) -> None:
    run = RunProcess(folder, "--mode", "cluster")
    try:
        run.wait_last_line()
        processes = run.processes()
        assert run.interrupt(times) == 0, run.text
        assert still_there(processes) == {}
        assert list(folder.iterdir()) == []
    finally:
        run.close()


def test_a_reader_that_leaves_ends_it(folder: Path) -> None:
    """As `make run | head -1` does."""
    run = RunProcess(folder, "--mode", "single", enough="> What is 17 + 25?")
    try:
        assert run.wait_end() == 1
        assert len(run.left) == 2
        assert still_there(run.left) == {}
        assert list(folder.iterdir()) == []
    finally:
        run.close()


def has_answered(run: RunProcess) -> None:
    """Three questions, with reasoning, a call, its result, and what each has cost."""
    asked = run.text[run.text.index("> What is 17 + 25?") :]
    patterns = [
        r"\(7\+5=12.*\)\n\n17 \+ 25 = 42\.\n\[\d+ in.* · \d+ out \(\d+ reasoning\) · ",
        r"> What happens if an expert worker dies\?\n\(.*\)\n\n.*No token is lost\.\n\[",
        r"> What is the weather in Rome\?\n\(.*\)\n\n-> get_weather \{\"city\":\s?\"Rome\"\}\n\[",
        r"<- \{\"temperature\": 21, .*\}\n\(.*\)\n\n.*\b21\b.*sunny.*\n\[\d+ in \(\d+ cached\)",
    ]
    at = 0
    for pattern in patterns:
        found = re.search(pattern, asked[at:])
        assert found, (pattern, asked)
        at += found.end()


def is_what_was_pasted(run: RunProcess) -> None:
    """By a shell, as they stand; where there is no grpcurl, buf's takes the same words."""
    said = json.loads(shell(run.pasted("curl ")))
    assert re.search(r"= 5\.", said["choices"][0]["message"]["content"])
    line = run.pasted("grpcurl ")
    said = json.loads(shell(line if shutil.which("grpcurl") else as_buf(line)))
    assert re.search(r"= 5\.", said["choices"][0]["content"])


def as_buf(line: str) -> str:
    program, plain, flag, body, address, method = shlex.split(line)
    assert (program, plain, flag) == ("grpcurl", "-plaintext", "-d")
    buf = str(Path(sys.executable).with_name("buf"))
    words = [buf, "curl", "--http2-prior-knowledge", "--protocol", "grpc", "-d", body]
    return shlex.join([*words, f"http://{address}/{method}"])


def shell(line: str) -> str:
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


def leaves_nothing(run: RunProcess) -> None:
    processes, ports = run.processes(), ports_in(run.text)
    assert len(ports) >= 2
    assert run.interrupt() == 0, run.text
    assert still_there(processes) == {}
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            """It is free."""
