"""The first run from beginning to end: a server begins, answers questions, and stays until a signal comes.

Everything goes through what users have: the command `expertmesh serve`, the OpenAI API, the controller.
"""

import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from cluster.cluster_client import ClusterClient
from cluster.status_table import is_serving, status_table
from examples.first_run import room, to_paste
from examples.first_run.interview import Interview
from examples.first_run.questions import QUESTIONS
from examples.first_run.serve_command import ServeCommand
from examples.first_run.server import Server
from examples.first_run.stop_signals import ignore_signals
from protos.errors import NotReadyError

_LOOK_EVERY_S = 0.1


class FirstRun:
    """`run` ends by the SystemExit of a signal, or raises what went wrong; it leaves nothing behind."""

    def __init__(self, command: ServeCommand, out: TextIO) -> None:
        self._command = command
        self._ports = command.ports
        self._out = out
        self._began_at = time.monotonic()
        self._is_serving = False

    def run(self) -> None:
        self._command.check()
        warning = room.warning(self._command.mode)
        for sentence in (*self._ports.changed, *([warning] if warning else [])):
            self._say(f"note: {sentence}")
        self._say(f"+ {self._command}")
        with TemporaryDirectory(prefix="expertmesh-") as folder:
            server = Server(self._command.words, Path(folder))
            try:
                self._show(server)
            finally:
                self._end(server)

    def _show(self, server: Server) -> None:
        while not self._is_serving:
            self._look_after(server)
        if self._command.is_mesh:
            self._show_workers(server)
        interview = Interview(self._ports.http_address, self._out)
        self._say("")
        for question in QUESTIONS:
            interview.ask(question)
        self._say("It serves until Ctrl-C. To paste into another terminal:\n")
        for line in (
            to_paste.chat_line(self._command.program, self._ports),
            to_paste.curl_line(interview.model, self._ports),
            to_paste.grpcurl_line(self._ports),
        ):
            self._say(f"    {line}")
        while True:
            self._look_after(server)

    def _end(self, server: Server) -> None:
        """Also when nobody reads any more: the terminal is closed, or a pipe has had enough."""
        with suppress(OSError):
            self._say("\nEnds what it has begun.")
        server.close()
        ignore_signals()
        with suppress(OSError):
            self._tell(server)

    def _show_workers(self, server: Server) -> None:
        """Once all of them serve; clients are served a little sooner."""
        client = ClusterClient(self._ports.controller_address)
        try:
            while not is_serving(topology := client.topology()):
                self._look_after(server)
        finally:
            client.close()
        self._say(f"\n+ {to_paste.status_line(self._command.program, self._ports)}")
        self._say(status_table(topology))

    def _look_after(self, server: Server) -> None:
        """For a moment; raises when it has ended by itself."""
        time.sleep(_LOOK_EVERY_S)
        status = server.status
        self._tell(server)
        if status is not None:
            raise NotReadyError(
                f"`{self._command}` has ended with status {status}, and what it said last stands above; "
                f"`{self._command.program} doctor --model {self._command.model}` may know more"
            )

    def _tell(self, server: Server) -> None:
        for sentence in server.sentences():
            self._say(f"{time.monotonic() - self._began_at:6.1f} s  {sentence}")
            self._is_serving |= f"http://{self._ports.http_address}/v1" in sentence

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)
