"""Its life: a port, a drain that lets run what runs, an end that leaves nothing."""

import asyncio
import socket

import pytest

from gateway.http_face.http_face import HttpFace
from gateway.http_face.settings import HttpSettings
from model.tokenizer import Tokenizer
from protos.errors import ConfigError
from tests.gateway.engine_link.hearing import nothing_is_left
from tests.gateway.http_face.running_face import inference_over, paper_policies, running_face
from tests.gateway.http_face.test_connection import INTO_TEXT
from tests.gateway.http_face.wire import ask, post, raw_request, wire_to
from tests.gateway.scripted_link import ScriptedLink

PATH = "/v1/chat/completions"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}


def test_a_port_that_is_taken_is_an_error_in_words(tokenizer: Tokenizer) -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            face = HttpFace(
                inference_over(ScriptedLink(tokenizer), tokenizer), paper_policies(), "127.0.0.1", port
            )
            with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
                await face.start()
            await face.aclose()

    asyncio.run(run())


def test_over_ip_version_6_too(tokenizer: Tokenizer) -> None:
    async def run() -> None:
        face = HttpFace(inference_over(ScriptedLink(tokenizer), tokenizer), paper_policies(), "::1", 0)
        try:
            await face.start()
        except ConfigError as error:
            pytest.skip(f"this machine has no ::1: {error}")
        host, _, port = face.address.rpartition(":")
        assert (host, int(port) > 0) == ("[::1]", True)
        await face.aclose()

    asyncio.run(run())


def test_a_drain_lets_run_what_runs(tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer) as running, wire_to(running.port) as idle:
            await idle.send(raw_request("GET", "/health"))
            await idle.answer()
            running.link.pause_s = 0.03
            async with wire_to(running.port) as busy:
                await busy.send(raw_request("POST", PATH, {**CHAT, "stream": True}))
                await busy.head()
                draining = asyncio.create_task(running.face.drain(20.0))
                assert await idle.is_closed()
                refused = await post(running.port, PATH, CHAT)
                assert (refused.status, refused.headers["retry-after"]) == (503, "1")
                assert refused.headers["connection"] == "close"
                ready = await ask(running.port, "GET", "/ready")
                assert (ready.status, ready.error["message"]) == (503, "this gateway is about to stop")
                assert (await ask(running.port, "GET", "/health")).status == 200
                whole = b""
                while part := await busy.chunk():
                    whole += part
                assert whole.endswith(b"data: [DONE]\n\n")
                assert await busy.is_closed()
            assert await draining

    asyncio.run(run())


def test_a_drain_gives_up_in_time_and_an_end_cancels(tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer) as running:
            running.link.stalls_after = INTO_TEXT
            async with wire_to(running.port) as wire:
                await wire.send(raw_request("POST", PATH, {**CHAT, "stream": True}))
                await wire.head()
                assert not await running.face.drain(0.1)
                await running.face.aclose()
                assert len(running.link.cancelled) == 1

    asyncio.run(run())


def test_many_clients_come_and_go(tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer, HttpSettings()) as running:
            bodies = [{**CHAT, "stream": number % 2 == 0, "n": 1 + number % 3} for number in range(60)]
            answers = await asyncio.gather(*(post(running.port, PATH, body) for body in bodies))
            assert {answer.status for answer in answers} == {200}
        await nothing_is_left()

    asyncio.run(run())


def test_it_says_when_it_is_not_ready(tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer) as running:
            assert (await ask(running.port, "GET", "/ready")).document == {"status": "ready"}
            running.link.load = None
            answer = await ask(running.port, "GET", "/ready")
            assert (answer.status, answer.error["code"]) == (503, "not_ready")
            assert "no attention worker can be reached" in answer.error["message"]

    asyncio.run(run())
