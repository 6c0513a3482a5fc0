"""Who calls before a gateway can serve is told so, over real HTTP; then the port is free for the face."""

import asyncio
import http.client
import json
import socket
from collections.abc import Callable
from typing import TypeVar

import pytest

from gateway.http_face.waiting_room import WaitingRoom

T = TypeVar("T")

REASON = "the model is being loaded"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as had:
        return int(had.getsockname()[1])


Answer = tuple[int, dict[str, str], dict[str, object]]


def asked(port: int, method: str, path: str, body: bytes | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        with connection.getresponse() as response:
            return response.status, dict(response.getheaders()), json.loads(response.read())
    finally:
        connection.close()


async def in_room(port: int, what: Callable[[], T]) -> T:
    async with WaitingRoom("127.0.0.1", port, REASON):
        return await asyncio.to_thread(what)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/ready", None),
        ("GET", "/healthy", None),
        ("POST", "/v1/chat/completions", b"{" + b" " * 5_000_000 + b"}"),
    ],
)
def test_all_but_life_is_refused_with_the_reason(method: str, path: str, body: bytes | None) -> None:
    port = free_port()
    status, headers, said = asyncio.run(in_room(port, lambda: asked(port, method, path, body)))
    assert status == 503
    assert headers["retry-after"] == "1"
    assert said == {"error": {"message": REASON, "type": "server_error", "param": None, "code": "not_ready"}}


def test_it_lives() -> None:
    port = free_port()
    status, _, said = asyncio.run(in_room(port, lambda: asked(port, "GET", "/health")))
    assert (status, said) == (200, {"status": "alive"})


@pytest.mark.parametrize("bytes_sent", [b"", b"GET / HT", b"\x16\x03\x01" * 40_000])
def test_what_is_no_request_is_let_go(bytes_sent: bytes) -> None:
    port = free_port()

    def send() -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(bytes_sent)
            connection.shutdown(socket.SHUT_WR)
            try:
                return connection.recv(100)
            except ConnectionResetError:
                return b""

    assert asyncio.run(in_room(port, send)) == b""


def test_the_port_is_free_again_at_once() -> None:
    port = free_port()

    async def twice() -> None:
        await in_room(port, lambda: asked(port, "GET", "/ready"))
        await in_room(port, lambda: asked(port, "GET", "/ready"))

    asyncio.run(twice())
