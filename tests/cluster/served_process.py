"""A command that serves, in a process of its own, and what a client hears of it over HTTP and gRPC."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from model.tokenizer.byte_tokenizer import SPECIAL_NAMES, STOP_NAMES
from protos.gen.v1 import inference_pb2 as pb
from protos.gen.v1 import inference_pb2_grpc

STOP_IDS = [256 + SPECIAL_NAMES.index(name) for name in STOP_NAMES]
"""Of a vocabulary of bytes."""

SOURCE_TREE = Path(__file__).parents[2]
WITHIN_S = 90.0
_SERVES = re.compile(r"serves (\S+) at https?://(\S+)/v1 and, over gRPC, at (\S+)$")
_WITHOUT = """
import sys
for name in {names}:
    sys.modules[name] = None  # importing it is an error from now on
from cluster.cli import main
sys.exit(main(sys.argv[1:]))
"""


class ServedProcess:
    """It begins at once; `wait_serving` before it is asked. `close` ends it."""

    def __init__(self, *words: str, without: Sequence[str] = ()) -> None:
        """`without`: packages that it must not import."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WITHOUT.format(names=list(without)), *words],
            cwd=SOURCE_TREE,
            env={**os.environ, "PYTHONPATH": str(SOURCE_TREE)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self.http = self.grpc = self.model = ""
        self._serves = threading.Event()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def wait_serving(self) -> None:
        assert self._serves.wait(WITHIN_S), self.said
        assert self.http, self.said

    def end(self) -> int:
        """In good order; -> its status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(WITHIN_S)
        self._listening.join()
        return status

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listening.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def get(self, path: str) -> tuple[int, Mapping[str, object]]:
        return self._ask("GET", path, None)

    def post(self, path: str, body: object) -> tuple[int, Mapping[str, object]]:
        return self._ask("POST", path, body)

    def chat(self, text: str, max_tokens: int) -> tuple[int, Mapping[str, object]]:
        """Greedy."""
        return self.post("/v1/chat/completions", chat_body(self.model, text, max_tokens))

    def content_of_chat(self, text: str, max_tokens: int) -> object:
        """Over HTTP: all that the model wrote."""
        status, said = self.chat(text, max_tokens)
        assert status == 200, said
        (choice,) = said["choices"]  # type: ignore[misc]
        message = choice["message"]  # type: ignore[has-type]
        return (message["reasoning"] or "", message["content"] or "")

    def content_of_grpc_chat(self, text: str, max_tokens: int) -> object:
        """The same over gRPC."""
        request = pb.ChatRequest(messages=[pb.Message(user=pb.UserMessage(text=text))])
        request.options.sampling.temperature = 0.0
        request.options.max_tokens = max_tokens
        with grpc.insecure_channel(self.grpc) as channel:
            stub = inference_pb2_grpc.InferenceServiceStub(channel)
            said = stub.ChatUnary(pb.ChatUnaryRequest(request=request), timeout=WITHIN_S)
        return (said.choices[0].reasoning, said.choices[0].preamble + said.choices[0].content)

    @contextmanager
    def stream(self, text: str, max_tokens: int) -> Iterator[http.client.HTTPResponse]:
        """A chat that has begun, and goes on to the last of these tokens."""
        body = endless_body(self.model, text, max_tokens)
        connection = http.client.HTTPConnection(self.http, timeout=WITHIN_S)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), _JSON)
            with connection.getresponse() as response:
                assert response.status == 200, response.read()
                assert response.readline().startswith(b"data: ")
                yield response
        finally:
            connection.close()

    def _ask(self, method: str, path: str, body: object) -> tuple[int, Mapping[str, object]]:
        connection = http.client.HTTPConnection(self.http, timeout=WITHIN_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), _JSON)
            with connection.getresponse() as response:
                return response.status, json.loads(response.read())
        finally:
            connection.close()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.strip())
            if found := _SERVES.search(line.strip()):
                self.model, self.http, self.grpc = found.groups()
                self._serves.set()
        self._serves.set()  # or it has ended


_JSON = {"content-type": "application/json"}


def chat_body(model: str, text: str, max_tokens: int) -> dict[str, object]:
    message = {"role": "user", "content": text}
    return {"model": model, "messages": [message], "max_completion_tokens": max_tokens, "temperature": 0}


def endless_body(model: str, text: str, max_tokens: int) -> dict[str, object]:
    """Streamed, and no token stops it before the last."""
    never = {str(token_id): -100 for token_id in STOP_IDS}
    return {**chat_body(model, text, max_tokens), "stream": True, "logit_bias": never}
