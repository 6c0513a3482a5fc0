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
class Node:
    """Where a worker runs: a name, an address, and what brings a command there."""

    name: str
    host: str = "127.0.0.1"
    command_prefix: tuple[str, ...] = ()


TWO_NODES = (Node("node-0"), Node("node-1"))
"""That are names alone."""


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """What every worker is told. Worker n runs on the n-th node, round and round."""

    folder: Path
    config: Mapping[str, object]
    nodes: tuple[Node, ...] = TWO_NODES


class ProcessFleet:
    """A `Fleet`. `close` ends everything that it started."""

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._wanted: dict[str, int] = {}  # and the number of its spawning
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
                serial = self._wanted[spec.name] = len(self._threads)
            thread = threading.Thread(target=self._keep_alive, args=(spec, serial), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, name: str) -> None:
        with self._lock:
            self._wanted.pop(name, None)
            process = self._processes.get(name)
        if process is not None:
            process.kill()

    def hindrances(self, names: Collection[str]) -> Mapping[str, str]:
        return dict.fromkeys(set(names) - set(self.names()), "it has been stopped")

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

    def _keep_alive(self, spec: WorkerSpec, serial: int) -> None:
        while True:
            with self._lock:
                if self._wanted.get(spec.name) != serial:
                    return  # stopped, or spawned anew by then
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
        node = made.nodes[number % len(made.nodes)]
        told = {
            "name": spec.name,
            "kind": spec.kind,
            "layers": spec.layers,
            "stages": spec.stages,
            "config": made.config,
            "folder": str(made.folder),
            "node": node.name,
            "host": node.host,
            "controller": self._controller,
        }
        return [*node.command_prefix, sys.executable, "-m", "tests.cluster.worker_process", json.dumps(told)]
