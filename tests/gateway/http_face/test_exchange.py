"""Bodies and headers as they come over a socket, and what is answered before an engine is asked."""

import asyncio
import json
from collections.abc import Callable, Coroutine

import pytest

from gateway.http_face.endpoint import Endpoint
from gateway.http_face.exchange import Exchange
from gateway.http_face.http_face import HttpFace
from gateway.http_face.settings import HttpSettings
from model.tokenizer import Tokenizer
from tests.gateway.http_face.running_face import RunningFace, paper_policies, running_face
from tests.gateway.http_face.wire import ask, post, raw_request, wire_to

PATH = "/v1/chat/completions"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
MAX_BODY = 2000


async def types_that_are_read(running: RunningFace) -> None:
    for media_type in ("application/json", "application/json; charset=utf-8", "Application/JSON", ""):
        assert (await post(running.port, PATH, CHAT, {"content-type": media_type})).status == 200
    assert (await post(running.port, PATH, CHAT)).status == 200


async def types_that_are_not(running: RunningFace) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await post(running.port, PATH, CHAT, {"content-type": media_type})
        assert (answer.status, answer.error["code"]) == (415, "media_type")
    answer = await post(running.port, PATH, CHAT, {"content-encoding": "gzip"})
    assert answer.status == 415
    assert "coded as 'gzip'" in answer.error["message"]


async def malformed_json(running: RunningFace) -> None:
    answer = await post(running.port, PATH, b'{"model": "tiny",\n"messages": [}')
    assert answer.status == 400
    assert "line 2 column 14" in answer.error["message"]
    for body in (b"", b"[]", b"\xff\xfe", b'{"a": NaN}', b'{"a":' * 300):
        assert (await post(running.port, PATH, body)).status == 400


async def too_large_as_announced(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        await wire.send(raw_request("POST", PATH, None, {"content-length": "2001"}))
        answer = await wire.answer()
        assert answer.status == 413
        assert "2001 bytes; at most 2000" in answer.error["message"]
        assert "connection" not in answer.headers, "the client may send the rest, and go on"


async def too_large_as_announced_and_not_yet_sent(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        headers = {"content-length": "2001", "expect": "100-continue"}
        await wire.send(raw_request("POST", PATH, None, headers))
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert await wire.is_closed()


async def too_large_as_it_comes(running: RunningFace) -> None:
    """In chunks, which announce nothing."""
    async with wire_to(running.port) as wire:
        await wire.send(raw_request("POST", PATH, None, {"transfer-encoding": "chunked"}))
        for _ in range(3):
            await wire.send(b"3E8\r\n" + b" " * 1000 + b"\r\n")
        answer = await wire.answer()
        assert answer.status == 413
        assert "more than 2000" in answer.error["message"]


async def as_large_as_can_be(running: RunningFace) -> None:
    body = json.dumps(CHAT).encode()
    body += b" " * (MAX_BODY - len(body))
    assert (await post(running.port, PATH, body)).status == 200
    assert (await post(running.port, PATH, body + b" ")).status == 413


async def in_chunks(running: RunningFace) -> None:
    body = json.dumps(CHAT).encode()
    async with wire_to(running.port) as wire:
        await wire.send(raw_request("POST", PATH, None, {"transfer-encoding": "chunked"}))
        for byte in body:
            await wire.send(b"1\r\n" + bytes([byte]) + b"\r\n")
        await wire.send(b"0\r\n\r\n")
        assert (await wire.answer()).status == 200


async def after_an_invitation(running: RunningFace) -> None:
    body = json.dumps(CHAT).encode()
    async with wire_to(running.port) as wire:
        headers = {"content-length": str(len(body)), "expect": "100-continue"}
        await wire.send(raw_request("POST", PATH, None, headers))
        assert (await wire.head())[0] == 100
        await wire.send(body)
        assert (await wire.answer()).status == 200


async def lengths_that_contradict(running: RunningFace) -> None:
    """Two readers of such a request could see two requests in it."""
    for headers in (
        {"content-length": "10", "transfer-encoding": "chunked"},
        {"content-length": "-1"},
        {"content-length": "1, 2"},
        {"transfer-encoding": "chunked, identity"},
    ):
        async with wire_to(running.port) as wire:
            await wire.send(raw_request("POST", PATH, None, headers) + b"0\r\n\r\n")
            assert (await wire.answer()).status == 400
            assert await wire.is_closed()


async def request_ids(running: RunningFace) -> None:
    given = await post(running.port, PATH, CHAT, {"x-request-id": "mine-7"})
    assert given.headers["x-request-id"] == "mine-7"
    refused = await ask(running.port, "GET", "/nowhere", headers={"x-request-id": "mine-8"})
    assert (refused.status, refused.headers["x-request-id"]) == (404, "mine-8")
    for unfit in ("", "a b", "x" * 129, "é"):
        made = await post(running.port, PATH, CHAT, {"x-request-id": unfit})
        assert made.headers["x-request-id"].startswith("req_")
    first, second = [await ask(running.port, "GET", "/health") for _ in range(2)]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def the_bytes_of_a_body_are_not_kept(running: RunningFace) -> None:
    """While an answer streams, which may take minutes."""
    held: list[int] = []

    async def serve(exchange: Exchange) -> None:
        await exchange.body_object()
        held.extend(len(value) for value in vars(exchange).values() if isinstance(value, bytes))
        await exchange.send_json({})

    endpoint = Endpoint("POST", "/read", serve, "It reads")
    face = HttpFace(running.inference, paper_policies(), "127.0.0.1", 0, more_endpoints=(endpoint,))
    await face.start()
    answer = await post(int(face.address.rpartition(":")[2]), "/read", {"text": "a" * 50_000})
    await face.aclose()
    assert answer.status == 200
    assert held == [32], "the digest alone"


CASES = [
    the_bytes_of_a_body_are_not_kept,
    types_that_are_read,
    types_that_are_not,
    malformed_json,
    too_large_as_announced,
    too_large_as_announced_and_not_yet_sent,
    too_large_as_it_comes,
    as_large_as_can_be,
    in_chunks,
    after_an_invitation,
    lengths_that_contradict,
    request_ids,
]
Case = Callable[[RunningFace], Coroutine[None, None, None]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
def test_exchange(case: Case, tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer, HttpSettings(max_body_bytes=MAX_BODY)) as running:
            await case(running)

    asyncio.run(run())
