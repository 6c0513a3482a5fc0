"""The program of `make run` as a process of its own: what it prints, its processes, what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.served_process import SOURCE_TREE

WITHIN_S = 120.0
_LAST = "expertmesh.inference.v1.InferenceService/ChatUnary"


class RunProcess:
    """It begins at once; `wait_last_line`, then `interrupt`. `close` ends it whatever it does."""

    def __init__(self, folder: Path, *words: str, enough: str = _LAST) -> None:
        """`folder` is where it and all that it begins may leave something for a while. `enough` ends the line
        behind which nobody reads any more, unless it is the last.
        """
        self.said: list[str] = []
        self.left: Mapping[int, str] = {}  # its processes when nobody read any more
        self._enough = enough
        self._has_said_all = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "examples.first_run", *words],
            cwd=SOURCE_TREE,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def wait_last_line(self) -> None:
        assert self._has_said_all.wait(WITHIN_S), self.text
        assert self.said[-1].endswith(_LAST), self.text

    def pasted(self, program: str) -> str:
        """The line that begins with it, of those that can be pasted."""
        return next(line.strip() for line in self.said if line.startswith(f"    {program}"))

    def processes(self) -> Mapping[int, str]:
        """It, what it has begun, what that has begun and so on, as `ps` shows them."""
        listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
        below = {self._process.pid}
        while more := {int(row[0]) for row in rows if int(row[1]) in below} - below:
            below |= more
        return {int(row[0]): row[2] for row in rows if int(row[0]) in below}

    def interrupt(self, times: int = 1) -> int:
        """-> its status. Somebody impatient does it twice, or thrice."""
        for _ in range(times):
            self._process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        return self.wait_end()

    def wait_end(self) -> int:
        """-> its status."""
        status = self._process.wait(WITHIN_S)
        self._listening.join()
        return status

    def close(self) -> None:
        if self._process.poll() is None:
            self.interrupt()
        self._listening.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.rstrip().endswith(self._enough):
                self._has_said_all.set()
                if self._enough != _LAST:
                    self.left = self.processes()
                    self._process.stdout.close()
                    return
        self._has_said_all.set()  # or it has ended


def still_there(processes: Mapping[int, str]) -> Mapping[int, str]:
    """Of these; what has ended may take a moment to go."""
    end = time.monotonic() + 5.0
    while left := {pid: args for pid, args in processes.items() if _runs(pid, args)}:
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    return left


def _runs(pid: int, args: str) -> bool:
    """And is the same one."""
    said = subprocess.run(["ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False)
    return said.stdout.strip() == args.strip()


def ports_in(lines: str) -> list[int]:
    """On loopback, that are named in them."""
    return sorted({int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", lines)})
