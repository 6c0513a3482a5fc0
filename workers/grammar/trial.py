"""Tries grammars in a child process, so that none can hang or kill the process that serves.

Not here: what the compiler's words mean to a caller (`refusals`). `GrammarCompiler` owns one.
"""

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_COMMAND = (sys.executable, "-m", "workers.grammar.trial_child")
_START_S = 60.0
_NUM_ATTEMPTS = 2
"""A child may have died for reasons of its own; a grammar that two die of is to blame."""

PATIENCE_S = 1.0

TOOK_TOO_LONG = "it takes too long to compile"
BROKE_THE_COMPILER = "the compiler breaks on it: it takes too much memory"


class GrammarTrial:
    """Starts its child when one is needed; threads take turns."""

    def __init__(self, special_names: Sequence[str], patience_s: float = PATIENCE_S) -> None:
        self._special_names = list(special_names)
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def refusal(self, grammar: str) -> str:
        """What the compiler says against it; empty when nothing."""
        with self._lock:
            for _ in range(_NUM_ATTEMPTS):
                try:
                    return self._living_child().ask(grammar, self._patience_s)
                except TimeoutError:
                    self._bury()
                    return f"{TOOK_TOO_LONG} (more than {self._patience_s:g} s)"
                except EOFError:
                    self._bury()
            return BROKE_THE_COMPILER

    @property
    def child_pid(self) -> int | None:
        child = self._child
        return None if child is None else child.pid

    def close(self) -> None:
        with self._lock:
            self._bury()

    def _living_child(self) -> "_Child":
        if self._child is None:
            self._child = _Child()
            self._child.ask(self._special_names, _START_S)
        return self._child

    def _bury(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


class _Child:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            _COMMAND,
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, question: object, timeout_s: float) -> str:
        """TimeoutError when no answer comes in time, EOFError when the child dies of the question."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
        except BrokenPipeError as error:
            raise EOFError from error
        return str(json.loads(self._read_line(time.monotonic() + timeout_s)))

    def kill(self) -> None:
        with self._process:  # closes the pipes and waits
            self._process.kill()

    def _read_line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select(
                [self._process.stdout], [], [], max(0.0, deadline - time.monotonic())
            )
            if not readable:
                raise TimeoutError
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            if not piece:
                raise EOFError
            line += piece
        return line
