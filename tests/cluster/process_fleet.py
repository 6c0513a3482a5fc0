"""A fleet of plain processes, restarted when they die, which tests may kill."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.controller.fleet import WorkerSpec

ROOT = Path(__file__).parent.parent.parent
END_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """What every worker is told; `name_to_node` spreads them over nodes that are names alone."""

    folder: Path
    config: Mapping[str, object]
    num_nodes: int = 2
    host: str = "127.0.0.1"
    command_prefix: tuple[str, ...] = ()  # to run a worker elsewhere, in a network of its own


class ProcessFleet:
    """A `Fleet`. `close` ends everything that it started."""

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._wanted: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._remembered: str | None = None
        self.num_starts: dict[str, int] = {}
        self.may_restart = True
        self._controller = ""

    def set_controller(self, address: str) -> None:
        """Before anything is spawned."""
        self._controller = address

    def names(self) -> Collection[str]:
        with self._lock:
            return set(self._wanted)

    def spawn(self, specs: Collection[WorkerSpec]) -> None:
        for spec in specs:
            with self._lock:
                self._wanted.add(spec.name)
            thread = threading.Thread(target=self._keep_alive, args=(spec,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, name: str) -> None:
        with self._lock:
            self._wanted.discard(name)
            process = self._processes.get(name)
        if process is not None:
            process.kill()

    def recall(self) -> str | None:
        return self._remembered

    def remember(self, text: str) -> None:
        self._remembered = text

    def send(self, name: str, number: signal.Signals) -> None:
        """To a worker, as an unfriendly world would."""
        with self._lock:
            self._processes[name].send_signal(number)

    def close(self) -> None:
        with self._lock:
            self._wanted.clear()
            processes = list(self._processes.values())
        for process in processes:
            process.kill()
        for thread in self._threads:
            thread.join(END_WITHIN_S)

    def _keep_alive(self, spec: WorkerSpec) -> None:
        while True:
            with self._lock:
                if spec.name not in self._wanted:
                    return
                process = subprocess.Popen(self._command(spec), cwd=ROOT, stdin=subprocess.PIPE)
                self._processes[spec.name] = process
                self.num_starts[spec.name] = self.num_starts.get(spec.name, 0) + 1
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
            if not self.may_restart:
                return

    def _command(self, spec: WorkerSpec) -> list[str]:
        made = self._options
        number = int("".join(filter(str.isdigit, spec.name.partition("-stage-")[0])) or 0)
        told = {
            "name": spec.name,
            "kind": spec.kind,
            "layers": spec.layers,
            "stages": spec.stages,
            "config": made.config,
            "folder": str(made.folder),
            "node": f"node-{number % made.num_nodes}",
            "host": made.host,
            "controller": self._controller,
        }
        return [*made.command_prefix, sys.executable, "-m", "tests.cluster.worker_process", json.dumps(told)]
