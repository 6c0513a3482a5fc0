"""A gateway that says what a test has written for it, over real HTTP on loopback.

`python -m tests.cluster.chat.scripted_gateway PORT` serves one that talks, to look at the client by eye.
"""

import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Chunk = Mapping[str, object]
PAUSE = "pause"
"""In a script: nothing comes until the client has gone, or the test lets it go on."""


def delta(**fields: object) -> Chunk:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def finish(reason: str) -> Chunk:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def usage(prompt: int, output: int, *, cached: int = 0, reasoning: int = 0) -> Chunk:
    return {
        "choices": [],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        },
    }


def call(index: int, name: str | None, arguments: str) -> Chunk:
    """The first part of a tool call has a name."""
    head = {} if name is None else {"id": f"call-{index}", "type": "function"}
    function = {"arguments": arguments} | ({} if name is None else {"name": name})
    return delta(tool_calls=[{"index": index, **head, "function": function}])


@dataclass
class ScriptedGateway:
    """`scripts` are the answers, one after the other; the last one again and again. A pair refuses."""

    scripts: list[Iterable[Chunk | str] | tuple[int, Mapping[str, object] | str]]
    models: tuple[str, ...] = ("scripted", "other")
    ready: tuple[int, Mapping[str, object]] = (200, {})
    pause_s: float = 0.0  # between two chunks
    is_cut: bool = False  # the stream ends without its last word
    requests: list[Mapping[str, object]] = field(default_factory=list)
    has_paused: threading.Event = field(default_factory=threading.Event)
    client_went: threading.Event = field(default_factory=threading.Event)

    def begin(self, port: int = 0) -> None:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Nothing on the terminal."""

            def do_GET(self) -> None:
                if self.path == "/ready":
                    status, said = gateway.ready
                    self._answer(status, json.dumps(said).encode())
                    return
                body = json.dumps({"data": [{"id": name} for name in gateway.models]}).encode()
                self._answer(200, body)

            def do_POST(self) -> None:
                gateway.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                script = gateway.scripts.pop(0) if len(gateway.scripts) > 1 else gateway.scripts[0]
                if isinstance(script, tuple):
                    status, said = script
                    self._answer(status, (said if isinstance(said, str) else json.dumps(said)).encode())
                    return
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                with suppress(ConnectionError):  # the client has gone
                    self._stream(script)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _stream(self, script: Iterable[Chunk | str]) -> None:
                self._write(": a comment\n\n")
                for chunk in script:
                    if chunk == PAUSE:
                        gateway.has_paused.set()
                        self._wait_for_leaving()
                        return
                    self._write(f"data: {json.dumps(chunk)}\n\n")
                    time.sleep(gateway.pause_s)
                if not gateway.is_cut:
                    self._write("data: [DONE]\n\n")

            def _wait_for_leaving(self) -> None:
                self.connection.settimeout(30.0)
                if not self.connection.recv(1):
                    gateway.client_went.set()

            def _write(self, text: str) -> None:
                self.wfile.write(text.encode())
                self.wfile.flush()

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def main() -> None:
    thought = "The person asks about the sea. Water absorbs red light; say so briefly."
    answer = "Water absorbs **red** light more than blue,\nso what comes back is blue.\n\n- algae: green\n"
    talk: list[Chunk | str] = [delta(role="assistant")]
    talk += [delta(reasoning=f"{word} ") for word in thought.split()]
    talk += [delta(content=part) for part in answer.replace(" ", " |").split("|")]
    talk += [finish("stop"), usage(83, 52, cached=64, reasoning=21)]
    tool: list[Chunk | str] = [delta(reasoning="I need the weather.")]
    tool += [call(0, "get_weather", '{"city": '), call(0, None, '"Bern"}'), call(1, "get_time", "{}")]
    tool += [finish("tool_calls"), usage(120, 31, reasoning=6)]
    gateway = ScriptedGateway(
        [talk, tool, talk, [delta(content="cut"), finish("length")], talk], pause_s=0.03
    )
    gateway.begin(int(sys.argv[1]))
    threading.Event().wait()


if __name__ == "__main__":
    main()
