"""Streams that fail late: one last event says so, and nothing follows it."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from gateway.http_face.endpoint import Endpoint
from gateway.http_face.event_stream import send_events
from gateway.http_face.exchange import Exchange
from gateway.http_face.http_face import HttpFace
from model.tokenizer import Tokenizer
from protos.errors import CheckpointError, EngineStoppedError, ExpertMeshError
from tests.gateway.http_face.running_face import inference_over, paper_policies, running_face
from tests.gateway.http_face.wire import Answer, ask, post
from tests.gateway.scripted_link import ScriptedLink

STREAM = {"model": "tiny", "stream": True}
BODIES = [
    ("/v1/chat/completions", {**STREAM, "messages": [{"role": "user", "content": "Hi"}]}),
    ("/v1/completions", {**STREAM, "prompt": "Hi"}),
    ("/v1/completions", {**STREAM, "prompt": ["Hi", "You"]}),
]


@pytest.mark.parametrize(("path", "body"), BODIES, ids=["chat", "completion", "two completions"])
def test_a_late_error_is_the_last_event(path: str, body: object, tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer) as running:
            running.link.breaks_after = (11, EngineStoppedError("the engine was stopped"))
            answer = await post(running.port, path, body)
            assert answer.status == 200
            assert answer.events[-1] == {
                "error": {
                    "message": "the engine was stopped",
                    "type": "server_error",
                    "param": None,
                    "code": "engine_stopped",
                }
            }
            assert len(answer.events) > 1
            assert all("choices" in event for event in answer.events[:-1])

    asyncio.run(run())


@pytest.mark.parametrize("num_before", [0, 2])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EngineStoppedError("stopped"), "stopped"),
        (CheckpointError("a secret"), "its log has the details"),
        (RuntimeError("a secret"), "its log has the details"),
    ],
)
def test_before_the_first_event_an_error_has_its_status(
    error: Exception, told: str, num_before: int, tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    async def events() -> AsyncGenerator[bytes, None]:
        for number in range(num_before):
            yield f'data: {{"number":{number}}}\n\n'.encode()
        raise error

    async def serve(exchange: Exchange) -> None:
        await send_events(exchange, events())

    async def run() -> Answer:
        inference = inference_over(ScriptedLink(tokenizer), tokenizer)
        endpoint = Endpoint("GET", "/stream", serve, "It breaks")
        face = HttpFace(inference, paper_policies(), "127.0.0.1", 0, more_endpoints=(endpoint,))
        await face.start()
        answer = await ask(int(face.address.rpartition(":")[2]), "GET", "/stream")
        await face.aclose()
        return answer

    with caplog.at_level(logging.ERROR):
        answer = asyncio.run(run())
    status = error.http_status if isinstance(error, ExpertMeshError) else 500
    assert answer.status == (200 if num_before else status)
    assert told in (answer.events[-1]["error"] if num_before else answer.error)["message"]
    assert "secret" not in answer.body.decode()
    assert ("a secret" in caplog.text) == (str(error) == "a secret")
