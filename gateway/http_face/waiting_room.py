"""Holds the HTTP port while a gateway cannot serve yet: it lives, it is not ready, and it says why.

Loading a model, or waiting for a mesh, takes minutes, and whoever probes or calls meanwhile shall be told.
Not here: the face, which takes the port when the room has closed. Of one event loop.
"""

import asyncio
from contextlib import suppress
from types import TracebackType

from gateway.http_face.error_answer import ErrorAnswer
from gateway.http_face.json_text import json_bytes
from protos.errors import NotReadyError

_HEADERS_WITHIN_S, _LINGER_S = 5.0, 1.0
_READ_BYTES = 1 << 16


class WaitingRoom:
    """Open as a context."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self._host = host
        self._port = port
        self._refusal = ErrorAnswer.of(NotReadyError(reason))
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> None:
        self._server = await asyncio.start_server(self._meet, self._host, self._port)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "it was entered"
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer), name="waiting room")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; what else comes on the connection is not looked at."""
        try:
            async with asyncio.timeout(_HEADERS_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(self._response(head))
            writer.write_eof()
            async with asyncio.timeout(_LINGER_S):  # to close over unread bytes would take the answer back
                while await reader.read(_READ_BYTES):
                    """A body."""
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            """It has gone, or was no client."""
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _response(self, head: bytes) -> bytes:
        is_alive = head.startswith(b"GET /health ")
        status = "200 OK" if is_alive else f"{self._refusal.status} Service Unavailable"
        body = json_bytes({"status": "alive"}) if is_alive else self._refusal.body
        headers = {
            **({} if is_alive else self._refusal.headers),
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
        }
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("ascii") + body
