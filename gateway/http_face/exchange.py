"""One request on the wire and the answer to it: headers, body, and what may be written back, once.

An endpoint is given one and speaks to it alone; ASGI ends here. Not here: what a body means, and which errors
there are: whoever serves raises them, and `app` writes them down, as long as nothing else was written.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from gateway.http_face.error_answer import ErrorAnswer
from gateway.http_face.json_body import json_object
from gateway.http_face.json_text import json_bytes
from gateway.http_face.settings import HttpSettings
from gateway.request_id import request_id_of
from protos.errors import (
    MediaTypeError,
    RequestCancelledError,
    SlowSenderError,
    TooLargeError,
)

JSON_TYPE = "application/json"
EVENTS_TYPE = "text/event-stream; charset=utf-8"
_BODY_TYPES = {"", JSON_TYPE}  # who says nothing means JSON


class Exchange:
    """`body_object` at most once; then `send_json`, or `begin_events` and `write` … `end`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: HttpSettings) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.settings = settings
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # the first of a name counts
        self._is_closing = False
        self.request_id = request_id_of(self.header("x-request-id"))
        self.digest = b""  # of path and body, once that has been read; the body itself is not kept
        self.has_begun = False  # to answer
        self.is_gone = False  # the client

    @property
    def method(self) -> str:
        return str(self._scope["method"])

    @property
    def path(self) -> str:
        return str(self._scope["path"])

    @property
    def path_parameters(self) -> Mapping[str, str]:
        parameters: Mapping[str, str] = self._scope.get("path_params", {})
        return parameters

    @property
    def query(self) -> bytes:
        return bytes(self._scope["query_string"])

    def header(self, name: str) -> str | None:
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def close_after(self) -> None:
        """No other request is taken on this connection."""
        self._is_closing = True

    async def body_object(self) -> dict[str, object]:
        """The JSON object that was sent. Raises what is wrong with it."""
        self._check_type()
        body = await self._read_body()
        self.digest = hashlib.sha256(self.path.encode() + b"\n" + body).digest()
        return json_object(body)

    @asynccontextmanager
    async def while_connected(self) -> AsyncIterator[None]:
        """Raises RequestCancelledError inside as soon as the client goes. The body must have been read."""
        task = asyncio.current_task()
        assert task is not None, "endpoints run in tasks"
        watching = asyncio.create_task(self._watch(task), name=f"watch of {self.request_id}")
        try:
            yield
        except asyncio.CancelledError:
            if not self.is_gone:
                raise
            task.uncancel()
            raise RequestCancelledError("the client has closed the connection") from None
        finally:
            watching.cancel()

    async def send_json(
        self, document: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        await self.send_body(json_bytes(document), JSON_TYPE, status, headers)

    async def send_error(self, answer: ErrorAnswer) -> None:
        await self.send_body(answer.body, JSON_TYPE, answer.status, answer.headers)

    async def send_body(
        self, body: bytes, media_type: str, status: int, headers: Mapping[str, str] | None = None
    ) -> None:
        length = {"content-length": str(len(body))}
        await self._begin(status, {"content-type": media_type, **length, **(headers or {})})
        await self.end(body)

    async def begin_events(self) -> None:
        """The answer is a stream of events."""
        unbuffered = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        await self._begin(200, {"content-type": EVENTS_TYPE, **unbuffered})

    async def write(self, data: bytes) -> None:
        """Waits while the client leaves too much unread."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        assert not self.has_begun, "a request has one answer"
        self.has_begun = True
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        pairs.append((b"x-request-id", self.request_id.encode()))
        if self._is_closing:
            pairs.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    def _check_type(self) -> None:
        media_type = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if media_type not in _BODY_TYPES:
            raise MediaTypeError(f"the body is of type {media_type[:80]!r}; send {JSON_TYPE}")
        coding = (self.header("content-encoding") or "identity").strip().lower()
        if coding != "identity":
            raise MediaTypeError(f"the body is coded as {coding[:80]!r}; send it as it is")

    async def _read_body(self) -> bytes:
        self._check_announced_length()
        parts: list[bytes] = []
        num_bytes = 0
        try:
            async with asyncio.timeout(self.settings.body_timeout_s):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        self.is_gone = True
                        raise RequestCancelledError("the client has closed the connection")
                    parts.append(message.get("body", b""))
                    num_bytes += len(parts[-1])
                    if num_bytes > self.settings.max_body_bytes:
                        raise self._too_large(f"more than {self.settings.max_body_bytes}")
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            self.close_after()
            raise SlowSenderError(
                f"{num_bytes} bytes of the body came in {self.settings.body_timeout_s:g} s, and it is not "
                f"whole; send it faster"
            ) from None

    def _check_announced_length(self) -> None:
        """Before the client sends it; a client that waits to be told so then never does."""
        announced = self.header("content-length")
        if announced is None or not announced.isdecimal() or len(announced) > 18:
            return
        if int(announced) > self.settings.max_body_bytes:
            if self.header("expect") is not None:
                self.close_after()
            raise self._too_large(announced)

    def _too_large(self, num_bytes: str) -> TooLargeError:
        return TooLargeError(
            f"the body has {num_bytes} bytes; at most {self.settings.max_body_bytes} are taken "
            f"(max_body_bytes)"
        )

    async def _watch(self, task: "asyncio.Task[object]") -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        task.cancel()
