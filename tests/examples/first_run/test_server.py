"""A process that is listened to and ended, with stand-ins for `expertmesh serve`."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.first_run.server import Server

WITHIN_S = 30.0
TALKS = """
import os, sys, time
print("expertmesh: keeps", os.environ["RAY_TMPDIR"], file=sys.stderr, flush=True)
print("by another way", flush=True)
{then}
"""
STAYS = """
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("expertmesh: ends", flush=True)
"""
STAYS_STUBBORNLY = """
for _ in range(2):
    try:
        print("stays", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


def begun(folder: Path, then: str, lines: int) -> tuple[Server, list[str]]:
    """-> it, and what it had said when it had said so many lines."""
    server = Server([sys.executable, "-c", TALKS.format(then=then)], folder)
    said: list[str] = []

    def has_said_them() -> bool:
        said.extend(server.sentences())
        return len(said) >= lines

    wait_until(has_said_them)
    return server, said


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def ending() -> Iterator[None]:
    """A signal ends the test's own process by SystemExit, as in `make run`."""

    def end(number: int, frame: object) -> None:
        del number, frame
        raise SystemExit(0)

    before = signal.signal(signal.SIGUSR1, end)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_it_is_heard_and_ended(tmp_path: Path) -> None:
    server, said = begun(tmp_path, STAYS, 2)
    assert said == [f"keeps {tmp_path}", "by another way"]
    was_ended = server.status is not None
    server.close()
    assert (was_ended, server.status) == (False, 0)
    assert list(server.sentences()) == ["ends"]


def test_one_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    server, _ = begun(tmp_path, "sys.exit(3)", 2)
    wait_until(lambda: server.status is not None)
    assert server.status == 3
    server.close()
    assert server.status == 3


@pytest.mark.usefixtures("ending")
def test_a_second_signal_makes_it_quicker(tmp_path: Path) -> None:
    server, said = begun(tmp_path, STAYS_STUBBORNLY, 3)
    assert said[-1] == "stays"

    def press_again() -> None:
        wait_until(lambda: "stays" in server.sentences())
        os.kill(os.getpid(), signal.SIGUSR1)

    pressing = threading.Thread(target=press_again)
    pressing.start()
    began_at = time.monotonic()
    server.close()
    pressing.join()
    assert time.monotonic() - began_at < WITHIN_S
    assert server.status == 0  # it had two of them
