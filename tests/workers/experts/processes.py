"""Expert workers in processes of their own, for tests: started, loaded, killed, and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from router.placement import LayerToExperts
from workers.experts.control import ExpertControl

LOAD_TIMEOUT_S = 30.0


class ExpertProcess:
    """`address` waits until the worker listens."""

    def __init__(self, folder: Path, name: str, port: int = 0) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "workers.experts.process",
                str(folder),
                name,
                f"--port={port}",
                "--deterministic",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._address: str | None = None

    @property
    def address(self) -> str:
        if self._address is None:
            assert self._process.stdout is not None
            line = self._process.stdout.readline().strip()
            assert line.startswith("listening on "), line
            self._address = line.removeprefix("listening on ")
        return self._address

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def load(self, layer_to_experts: LayerToExperts) -> None:
        control = ExpertControl(self.address)
        try:
            control.load(layer_to_experts, LOAD_TIMEOUT_S)
        finally:
            control.close()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._end()

    def close(self) -> None:
        """As a supervisor would: by closing its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._end()

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.wait(timeout=30)
        self._process.stdin.close()
        self._process.stdout.close()


def addresses_of(processes: Sequence[ExpertProcess]) -> Mapping[str, str]:
    return {process.name: process.address for process in processes}
