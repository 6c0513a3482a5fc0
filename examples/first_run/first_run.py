"""The first run from beginning to end: a server begins, answers three questions, and stays until a signal.

Everything goes through what users have: the command `expertmesh serve`, the OpenAI API, the controller's port.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from cluster.cluster_client import ClusterClient
from cluster.status_table import status_table
from examples.first_run import to_paste
from examples.first_run.interview import Interview
from examples.first_run.questions import QUESTIONS
from examples.first_run.serve_command import ServeCommand
from examples.first_run.server import Server, is_ready
from protos.errors import NotReadyError

_LOOK_EVERY_S = 0.1


class FirstRun:
    """`run` ends by the SystemExit of a signal, or raises what went wrong; nothing is left in either case."""

    def __init__(self, command: ServeCommand, out: TextIO) -> None:
        self._command = command
        self._ports = command.ports
        self._out = out
        self._began_at = time.monotonic()

    def run(self) -> None:
        self._command.check()
        for sentence in self._ports.changed:
            self._say(sentence)
        self._say(f"$ {self._command}")
        with TemporaryDirectory(prefix="expertmesh-") as folder:
            server = Server(self._command.words, Path(folder))
            try:
                self._wait_ready(server)
                self._interview(server)
                self._stay(server)
            finally:
                self._say("\nends what it has begun")
                server.close()
                self._tell(server)

    def _wait_ready(self, server: Server) -> None:
        while not is_ready(self._ports.http_address):
            self._look_after(server)
            time.sleep(_LOOK_EVERY_S)
        self._tell(server)

    def _interview(self, server: Server) -> None:
        interview = Interview(self._ports.http_address, self._out)
        self._say("")
        for question in QUESTIONS:
            interview.ask(question)
        self._look_after(server)
        self._show_workers()
        self._say("It stays until Ctrl-C. To paste into another terminal:\n")
        for line in (
            to_paste.chat_line(self._command.program, self._ports),
            to_paste.curl_line(interview.model(), self._ports),
            to_paste.grpcurl_line(self._ports),
        ):
            self._say(f"    {line}")

    def _show_workers(self) -> None:
        """Single mode has none: it is one process."""
        if not self._command.is_mesh:
            return
        self._say(f"$ {to_paste.status_line(self._command.program, self._ports)}")
        client = ClusterClient(self._ports.controller_address)
        try:
            self._say(status_table(client.topology()) + "\n")
        finally:
            client.close()

    def _stay(self, server: Server) -> None:
        while True:
            self._look_after(server)
            time.sleep(_LOOK_EVERY_S)

    def _look_after(self, server: Server) -> None:
        """Raises when it has ended by itself."""
        status = server.status
        self._tell(server)
        if status is not None:
            raise NotReadyError(
                f"`{self._command}` has ended with status {status}; what it said last stands above. When that "
                f"is not enough: `{self._command.program} doctor --model {self._command.model}`"
            )

    def _tell(self, server: Server) -> None:
        for sentence in server.sentences():
            self._say(f"{time.monotonic() - self._began_at:7.1f} s  {sentence}")

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)
