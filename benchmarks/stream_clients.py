"""Clients that open many streams at once and count the tokens that come, over HTTP and over gRPC.

A client takes its part of the cores from whom it measures, so nothing is parsed: a token is a word that
occurs in the bytes. Used by `benchmarks.gateway`, for us and for the peer alike.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

TOKEN = " tok"
_MARK = TOKEN.strip().encode()
_END_OF_BODY = b"0\r\n\r\n"


@dataclass(slots=True)
class Streamed:
    """Of many streams that began at one moment."""

    num_tokens: int = 0
    seconds: float = 0.0
    first_token_s: list[float] = field(default_factory=list)


class _HttpStream(asyncio.Protocol):
    """One request on a connection of its own."""

    def __init__(self, request: bytes, streamed: Streamed, ended: asyncio.Future[None]) -> None:
        self._request = request
        self._streamed = streamed
        self._ended = ended
        self._began = 0.0
        self._has_token = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._began = time.perf_counter()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        num_tokens = data.count(_MARK)
        if num_tokens and not self._has_token:
            self._has_token = True
            self._streamed.first_token_s.append(time.perf_counter() - self._began)
        self._streamed.num_tokens += num_tokens
        is_over = data.endswith(_END_OF_BODY)
        self._rest = b"" if is_over or data.endswith(_MARK) else data[-len(_MARK) + 1 :]
        if is_over and not self._ended.done():
            self._ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(exc or ConnectionError("the server closed the stream early"))


async def http_streams(address: str, path: str, body: bytes, num_streams: int, streamed: Streamed) -> None:
    """All of them at once, each to its end."""
    host, _, port = address.rpartition(":")
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()

    async def one() -> None:
        ended: asyncio.Future[None] = loop.create_future()
        transport, _ = await loop.create_connection(
            lambda: _HttpStream(head.encode() + body, streamed, ended), host, int(port)
        )
        try:
            await ended
        finally:
            transport.close()

    await _all_at_once(one, num_streams, streamed)


async def grpc_streams(
    channel: grpc.aio.Channel, method: str, request: bytes, num_streams: int, streamed: Streamed
) -> None:
    """`request` is a serialised message; what comes is counted, and not read."""
    stub: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(method)
    metadata = (("application", "default"),)  # by which Ray Serve finds its application

    async def one() -> None:
        began, has_token = time.perf_counter(), False
        async for message in stub(request, metadata=metadata):
            num_tokens = message.count(_MARK)
            if num_tokens and not has_token:
                has_token = True
                streamed.first_token_s.append(time.perf_counter() - began)
            streamed.num_tokens += num_tokens

    await _all_at_once(one, num_streams, streamed)


@asynccontextmanager
async def open_channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        await channel.channel_ready()
        yield channel


async def _all_at_once(
    one: Callable[[], Coroutine[None, None, None]], num_streams: int, streamed: Streamed
) -> None:
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(num_streams):
            group.create_task(one())
    streamed.seconds = time.perf_counter() - began
