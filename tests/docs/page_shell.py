"""One bash for one page, in a network of its own: commands go in one after the other, as from a person.

A command that serves is left running and waited for until it serves, as one would with a second terminal.
`close` ends whatever still runs. Not here: what the commands are (`page_run`).
"""

import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.own_network import command_in_own_network

COMMAND_S, BEGIN_S = 240.0, 120.0
_SERVER = re.compile(r"(?:\w+=\S+ )*\S*expertmesh (?:serve|gateway) ")
_SERVES = re.compile(r"^expertmesh: serves .+$", re.MULTILINE)
_MESH_SERVES = re.compile(r"^expertmesh: the mesh serves at .+$", re.MULTILINE)
_BACKGROUND = re.compile(r"\s*&\s*(?:#.*)?$")
_SOURCE_TREE = Path(__file__).parents[2]
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    printed: str


class PageShell:
    def __init__(self, folder: Path, notes: Path, environment: Mapping[str, str]) -> None:
        """`notes`: a folder of our own, for what is run and what was printed."""
        self._notes = notes
        self._num_run = 0
        self._last_status = 0
        self._servers: list[int] = []
        self._bash = subprocess.Popen(
            command_in_own_network("bash", "--noprofile", "--norc"),
            cwd=_SOURCE_TREE,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._tell(f"cd '{folder}'; unset PYTHONPATH")

    def run(self, command: str) -> Done:
        serves = _SERVER.match(f"{command} ") is not None
        script = self._notes / f"{self._num_run}.sh"
        output = script.with_suffix(".out")
        self._num_run += 1
        text = _BACKGROUND.sub("", command) + (" &" if serves or _BACKGROUND.search(command) else "")
        script.write_text(f"(exit {self._last_status})\n{text}\n")
        told = self._tell(f". '{script}' > '{output}' 2>&1 < /dev/null; echo $? $!")
        status, _, process = told.partition(" ")
        self._last_status = int(status)
        if serves:
            self._servers.append(int(process))
            said = [_SERVES, _MESH_SERVES] if "--mode cluster" in command else [_SERVES]
            self._last_status = self._wait_until_said(said, int(process), output)
        return Done(self._last_status, output.read_text())

    def end_servers(self) -> list[int]:
        """In good order; -> their statuses, the last one first."""
        servers, self._servers = self._servers, []
        return [self._end(process) for process in reversed(servers)]

    def close(self) -> None:
        self._bash.kill()  # and with it all that it has begun
        self._bash.communicate()

    def _end(self, process: int) -> int:
        """The page may have ended it already."""
        return int(self._tell(f"! kill {process} 2> /dev/null || wait {process} 2> /dev/null; echo $?"))

    def _wait_until_said(self, said: Sequence[re.Pattern[str]], process: int, output: Path) -> int:
        end = time.monotonic() + BEGIN_S
        while not all(each.search(output.read_text()) for each in said):
            if self._tell(f"kill -0 {process} 2> /dev/null; echo $?") != "0":
                self._servers.remove(process)
                return int(self._tell(f"wait {process}; echo $?"))
            assert time.monotonic() < end, f"it does not serve after {BEGIN_S:g} s: {output.read_text()}"
            time.sleep(_POLL_S)
        return 0

    def _tell(self, line: str) -> str:
        """-> the line that bash answers, if it is to."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{line}\n")
        self._bash.stdin.flush()
        if "echo" not in line:
            return ""
        ready, _, _ = select.select([self._bash.stdout], [], [], COMMAND_S)
        assert ready, f"after {COMMAND_S:g} s there is no end to: {line}"
        return self._bash.stdout.readline().strip()
