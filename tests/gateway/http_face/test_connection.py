"""Connections of clients that are slow, broken, greedy or gone."""

import asyncio
import json
from collections.abc import Callable, Coroutine

import pytest

from gateway.calls.call_settings import CallSettings
from gateway.http_face.settings import HttpSettings
from model.tokenizer import Tokenizer
from tests.gateway.engine_link.hearing import until
from tests.gateway.http_face.running_face import RunningFace, quiet, running_face
from tests.gateway.http_face.wire import Answer, parse_events, raw_request, wire_to

HURRIED = HttpSettings(
    max_header_bytes=2000,
    max_connections=5,
    header_timeout_s=0.15,
    body_timeout_s=0.3,
    write_timeout_s=0.3,
    keep_alive_s=0.25,
)
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
INTO_TEXT = 9
"""Tokens: the header of a message, and two of its text."""

STREAM = {**CHAT, "stream": True}

Case = Callable[[RunningFace], Coroutine[None, None, None]]


def chat(body: object = CHAT) -> bytes:
    return raw_request("POST", "/v1/chat/completions", body)


async def a_connection_that_says_nothing_is_closed(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        assert await wire.is_closed()


async def headers_that_drip_are_cut_off(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        await wire.send(b"GET /health HTTP/1.1\r\n")
        dripping = asyncio.create_task(drip(running.port, wire.send))
        answer = await wire.answer()
        assert answer.status == 408
        assert "not whole after 0.15 s" in answer.error["message"]
        assert await wire.is_closed()
        dripping.cancel()
        await asyncio.wait([dripping])


async def drip(port: int, send: Callable[[bytes], Coroutine[None, None, None]]) -> None:
    for number in range(100):
        await send(f"x-{port}-{number}: y\r\n".encode())
        await asyncio.sleep(0.02)


async def a_body_that_drips_is_cut_off(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        await wire.send(raw_request("POST", "/v1/chat/completions", None, {"content-length": "4000"}))
        await wire.send(b'{"model": ')
        answer = await wire.answer()
        assert answer.status == 408
        assert "10 bytes of the body came in 0.3 s" in answer.error["message"]
        assert answer.headers["connection"] == "close"
        assert await wire.is_closed()


async def headers_without_end_are_refused(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        await wire.send(b"GET /health HTTP/1.1\r\nx: " + b"y" * 2500)
        answer = await wire.answer()
        assert answer.status == 431
        assert "more than 2000 bytes" in answer.error["message"]
        assert await wire.is_closed()


async def what_is_not_http_is_refused(running: RunningFace) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\x00\xff\r\n",
    ):
        async with wire_to(running.port) as wire:
            await wire.send(data)
            answer = await wire.answer()
            assert answer.status == 400
            assert answer.error["type"] == "invalid_request_error"
            assert await wire.is_closed()


async def what_is_not_http_behind_a_request_cancels_it(running: RunningFace) -> None:
    running.link.stalls_after = INTO_TEXT
    async with wire_to(running.port) as wire:
        await wire.send(chat(STREAM))
        await wire.head()
        await wire.send(b"\x00\x00\x00 not http")
        await until(lambda: len(running.link.cancelled) == 1)


async def an_idle_connection_is_closed(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        for _ in range(3):
            await wire.send(raw_request("GET", "/health"))
            assert (await wire.answer()).status == 200
            await asyncio.sleep(0.1)
        assert await wire.is_closed()


async def requests_in_a_row_are_answered_in_order(running: RunningFace) -> None:
    running.link.pause_s = 0.002
    async with wire_to(running.port) as wire:
        await wire.send(
            chat() + raw_request("GET", "/health") + chat({**CHAT, "model": "other"}) + chat(STREAM)
        )
        answers = [await wire.answer() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 404, 200]
    assert answers[0].document["choices"][0]["message"]["content"] == "Hello."
    assert answers[1].document == {"status": "alive"}
    assert answers[3].events[-1] == "[DONE]"


async def requests_in_a_row_go_with_their_client(running: RunningFace) -> None:
    running.link.pause_s = 0.01
    running.link.script = lambda request, choice: "<|channel|>final<|message|>" + "word " * 1000  # noqa: ARG005
    async with wire_to(running.port) as wire:
        await wire.send(chat(STREAM) + chat(STREAM) + chat())
        await wire.head()
    await until(lambda: len(running.link.cancelled) == 1)
    assert len(running.link.requests) == 1, "what has not begun never does"


async def a_client_that_goes_cancels_its_call(running: RunningFace) -> None:
    running.link.stalls_after = 2
    for body in (CHAT, STREAM, {**STREAM, "n": 2}):
        running.link.cancelled.clear()
        async with wire_to(running.port) as wire:
            await wire.send(chat(body))
            await until(lambda: running.link.num_running == 1)
        await until(lambda: len(running.link.cancelled) == 1)
        await quiet(running)


async def a_client_that_half_closes_has_gone(running: RunningFace) -> None:
    """It can read, but nothing tells that from one that cannot, until too much was computed for nobody."""
    running.link.stalls_after = INTO_TEXT
    async with wire_to(running.port) as wire:
        await wire.send(chat(STREAM))
        await wire.head()
        wire.writer.write_eof()
        await until(lambda: len(running.link.cancelled) == 1)
        assert parse_events(await wire.chunk())[0] != "[DONE]"


async def a_client_that_goes_inside_its_body_is_forgotten(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        await wire.send(raw_request("POST", "/v1/chat/completions", None, {"content-length": "4000"}) + b"{")
        await until(lambda: running.face.num_running == 1)
    await until(lambda: running.face.num_running == 0)
    assert not running.link.requests


async def a_client_that_does_not_read_is_cut_off(running: RunningFace) -> None:
    """It may leave so much unread as fits into buffers; then its time runs, and its call ends with it."""
    running.link.script = lambda request, choice: "<|channel|>final<|message|>" + "y" * 40_000  # noqa: ARG005
    async with wire_to(running.port) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(chat({**STREAM, "logprobs": True, "top_logprobs": 2}))  # many bytes a token
        await until(lambda: len(running.link.cancelled) == 1)
        await quiet(running)
        assert running.face.num_connections == 0


async def one_connection_too_many_is_refused(running: RunningFace) -> None:
    running.link.stalls_after = INTO_TEXT
    wires = [wire_to(running.port) for _ in range(5)]
    for each in wires:
        await (await each.__aenter__()).send(chat(STREAM))
    await until(lambda: running.face.num_connections == 5)
    async with wire_to(running.port) as wire:
        answer = await wire.answer()
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert "(max_connections)" in answer.error["message"]
        assert await wire.is_closed()
    for each in wires:
        await each.__aexit__(None, None, None)


async def an_upgrade_is_not_made(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        await wire.send(
            raw_request("GET", "/health", None, {"connection": "upgrade", "upgrade": "websocket"})
        )
        answer = await wire.answer()
        assert answer.document == {"status": "alive"}


async def an_old_client_gets_an_end(running: RunningFace) -> None:
    async with wire_to(running.port) as wire:
        await wire.send(chat(STREAM).replace(b"HTTP/1.1", b"HTTP/1.0"))
        async with asyncio.timeout(10):
            status, headers = await wire.head()
            rest = await wire.reader.read()
        assert (status, headers["connection"]) == (200, "close")
        assert b"[DONE]" in rest


CASES = [
    a_connection_that_says_nothing_is_closed,
    headers_that_drip_are_cut_off,
    a_body_that_drips_is_cut_off,
    headers_without_end_are_refused,
    what_is_not_http_is_refused,
    what_is_not_http_behind_a_request_cancels_it,
    an_idle_connection_is_closed,
    requests_in_a_row_are_answered_in_order,
    requests_in_a_row_go_with_their_client,
    a_client_that_goes_cancels_its_call,
    a_client_that_half_closes_has_gone,
    a_client_that_goes_inside_its_body_is_forgotten,
    a_client_that_does_not_read_is_cut_off,
    one_connection_too_many_is_refused,
    an_upgrade_is_not_made,
    an_old_client_gets_an_end,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
def test_connection(case: Case, tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer, HURRIED, CallSettings(max_unread=5000)) as running:
            await case(running)
            await quiet(running)

    asyncio.run(run())


def test_the_body_of_a_refused_request_is_let_go(tokenizer: Tokenizer) -> None:
    """The connection lives on, as long as the rest comes in its time."""
    settings = HttpSettings(max_body_bytes=1000, body_timeout_s=0.5)

    async def run() -> tuple[Answer, Answer]:
        body = json.dumps({**CHAT, "user": "x" * 200_000}).encode()
        async with running_face(tokenizer, settings) as running, wire_to(running.port) as wire:
            await wire.send(chat(body))
            refused = await wire.answer()
            await wire.send(raw_request("GET", "/health"))
            after = await wire.answer()
            await wire.send(chat(body)[:150_000])
            assert (await wire.answer()).status == 413
            assert await wire.is_closed()
            return refused, after

    refused, after = asyncio.run(run())
    assert (refused.status, refused.error["code"]) == (413, "too_large")
    assert after.status == 200
