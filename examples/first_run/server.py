"""`expertmesh serve` as a process of its own: begun, listened to, ended with all that it has begun.

Not here: the command line (`serve_command`), nor what is asked of the server.
"""

import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

_NAME = "expertmesh: "


class Server:
    """It begins at once. `sentences` are what it has said; `close` ends it in good order."""

    def __init__(self, words: Sequence[str], ray_folder: Path) -> None:
        """In a group of its own, so that a terminal's Ctrl-C comes through `close` and not twice."""
        self._said: SimpleQueue[str] = SimpleQueue()
        self._process = subprocess.Popen(
            words,
            env={**os.environ, **_keeps_nothing(ray_folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        self._listening = threading.Thread(target=self._listen, name="first-run-server")
        self._listening.start()

    @property
    def status(self) -> int | None:
        """Of the process, once it has ended."""
        return self._process.poll()

    def sentences(self) -> Iterator[str]:
        """Those that are new, each once."""
        with suppress(Empty):
            while True:
                yield self._said.get_nowait()

    def close(self) -> None:
        """Each further signal to us makes it quicker: what runs is cut off, then the process is killed.

        In the end nothing of its group is left.
        """
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
            self._process.send_signal(number)
            with suppress(SystemExit):
                self._process.wait()
                break
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # agents of a Ray that was cut off live on
        self._listening.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line.rstrip("\n").removeprefix(_NAME))


def _keeps_nothing(folder: Path) -> Mapping[str, str]:
    """Ray leaves its logs, and in the home folder the secret by which its processes know each other."""
    return {"RAY_TMPDIR": str(folder), "RAY_AUTH_TOKEN": secrets.token_hex()}
