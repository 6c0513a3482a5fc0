"""HTTP/1.1 by hand, over a raw socket: what no well-behaved client sends, and all that comes back."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole. The body of a stream is what all chunks make."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error object, which has these fields and no others."""
        assert self.headers["content-type"] == "application/json"
        document = self.document
        assert document.keys() == {"error"}
        error: dict[str, Any] = document["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        return error

    @property
    def events(self) -> list[Any]:
        """Of a stream: each one's JSON; the last may be the text [DONE]."""
        assert self.headers["content-type"].startswith("text/event-stream")
        return parse_events(self.body)


def parse_events(body: bytes) -> list[Any]:
    assert body.endswith(b"\n\n")
    events: list[Any] = []
    for part in body.decode().split("\n\n")[:-1]:
        *names, line = part.splitlines()  # as clients do that split at any end of line
        assert line.startswith("data: ")
        data = line.removeprefix("data: ")
        events.append(data if data == "[DONE]" else json.loads(data))
        assert names in ([], [f"event: {events[-1]['type']}"] if "type" in events[-1] else [])
    return events


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, to_head: bool = False) -> Answer:
        status, headers = await self.head()
        return Answer(status, headers, b"" if to_head else await self.body(headers))

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(PATIENCE_S):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        return int(status), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    async def is_closed(self) -> bool:
        """By the other side, with nothing else to read."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return not await self.reader.read(1)
            except ConnectionResetError:
                return True

    async def chunk(self) -> bytes:
        """Of a body that comes in chunks; nothing at its end."""
        async with asyncio.timeout(PATIENCE_S):
            size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
            data = await self.reader.readexactly(size + 2)
            return data[:-2]

    async def body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            async with asyncio.timeout(PATIENCE_S):
                return await self.reader.readexactly(int(headers["content-length"]))
        assert headers["transfer-encoding"] == "chunked"
        parts: list[bytes] = []
        while part := await self.chunk():
            parts.append(part)
        return b"".join(parts)


@asynccontextmanager
async def wire_to(port: int) -> AsyncGenerator[Wire, None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):  # the other side may have been faster
            await writer.wait_closed()


def raw_request(method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> bytes:
    """A body that is not bytes is written as JSON."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: test"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines.append(f"content-length: {len(data)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data


async def ask(
    port: int, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> Answer:
    """On a connection of its own."""
    async with wire_to(port) as wire:
        await wire.send(raw_request(method, path, body, headers))
        return await wire.answer(to_head=method == "HEAD")


async def post(port: int, path: str, body: object, headers: dict[str, str] | None = None) -> Answer:
    return await ask(port, "POST", path, body, headers)
