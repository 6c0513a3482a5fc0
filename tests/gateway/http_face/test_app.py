"""Addresses, methods, and faults of ours."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

import pytest

from gateway.http_face.endpoint import Endpoint
from gateway.http_face.exchange import Exchange
from gateway.http_face.http_face import HttpFace
from gateway.http_face.settings import HttpSettings
from model.tokenizer import Tokenizer
from protos.errors import (
    AttentionUnreachableError,
    CapacityError,
    CheckpointError,
    DeadlineExpiredError,
    ExpertMeshError,
    InvalidGrammarError,
)
from tests.gateway.http_face.running_face import RunningFace, inference_over, paper_policies, running_face
from tests.gateway.http_face.wire import ask, post
from tests.gateway.scripted_link import ScriptedLink

PATH = "/v1/chat/completions"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}


async def unknown_addresses(running: RunningFace) -> None:
    for path in (
        "/",
        "/v1",
        "/v1/chat/completion",
        "/v1/chat/completions/",
        "/v1//models",
        "/%00",
        "/%C3%A9",
    ):
        answer = await ask(running.port, "POST", path, CHAT)
        assert (answer.status, answer.error["code"]) == (404, "not_found")
    long = await ask(running.port, "GET", "/" + "a" * 5000)
    assert len(long.error["message"]) < 300


async def other_methods(running: RunningFace) -> None:
    for method, path, allowed in (
        ("GET", PATH, "POST"),
        ("DELETE", "/v1/completions", "POST"),
        ("OPTIONS", PATH, "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("PUT", "/v1/models/tiny", "GET, HEAD"),
    ):
        answer = await ask(running.port, method, path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        assert answer.error["code"] == "wrong_method"


async def heads(running: RunningFace) -> None:
    for path in ("/health", "/v1/models", "/openapi.json"):
        head = await ask(running.port, "HEAD", path)
        assert head.status == 200
        assert (
            head.headers["content-length"] == (await ask(running.port, "GET", path)).headers["content-length"]
        )


async def refusals_of_the_engine_have_their_status(running: RunningFace) -> None:
    errors: list[tuple[ExpertMeshError, int, str | None]] = [
        (CapacityError("full"), 429, "1"),
        (AttentionUnreachableError("nobody there"), 503, "1"),
        (DeadlineExpiredError("late"), 504, "1"),
        (InvalidGrammarError("no such schema"), 400, None),
    ]
    for error, status, retry in errors:
        running.link.refusal = error
        for body in (CHAT, {**CHAT, "stream": True}):
            answer = await post(running.port, PATH, body)
            assert (answer.status, answer.headers.get("retry-after")) == (status, retry)
            assert answer.error["message"] == str(error)


async def no_model_is_served_by_another_name(running: RunningFace) -> None:
    for name in ("", "TINY", "tiny ", "gpt-4"):
        answer = await post(running.port, PATH, {**CHAT, "model": name})
        assert (answer.status, answer.error["param"]) == (404, "model")
    answer = await post(running.port, PATH, {**CHAT, "model": "small/alias"})
    assert answer.document["model"] == "small/alias"


async def an_operators_error_stays_with_the_operator(running: RunningFace) -> None:
    running.link.refusal = CheckpointError("/models/secret is damaged")
    answer = await post(running.port, PATH, CHAT, {"x-request-id": "find-me"})
    assert answer.status == 500
    assert "secret" not in answer.error["message"]
    assert "find-me" in answer.error["message"]


async def no_other_site_is_let_in(running: RunningFace) -> None:
    answer = await ask(running.port, "GET", "/v1/models", headers={"origin": "https://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


CASES = [
    unknown_addresses,
    other_methods,
    heads,
    refusals_of_the_engine_have_their_status,
    no_model_is_served_by_another_name,
    an_operators_error_stays_with_the_operator,
    no_other_site_is_let_in,
]
Case = Callable[[RunningFace], Coroutine[None, None, None]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
def test_app(case: Case, tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer) as running:
            await case(running)

    asyncio.run(run())


def test_a_fault_of_ours_is_told_by_an_id_and_logged(
    tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(exchange: Exchange) -> None:
        raise RuntimeError(f"a secret of {exchange.path}")

    async def run() -> None:
        inference = inference_over(ScriptedLink(tokenizer), tokenizer)
        endpoint = Endpoint("GET", "/broken", broken, "It breaks")
        face = HttpFace(inference, paper_policies(), "127.0.0.1", 0, more_endpoints=(endpoint,))
        await face.start()
        port = int(face.address.rpartition(":")[2])
        answer = await ask(port, "GET", "/broken")
        await face.aclose()
        assert (answer.status, answer.error["code"]) == (500, "internal")
        assert answer.headers["x-request-id"] in answer.error["message"]
        assert "secret" not in answer.body.decode()
        assert "Traceback" not in answer.body.decode()

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert "a secret of /broken" in caplog.text


def test_a_site_that_is_named_is_let_in(tokenizer: Tokenizer) -> None:
    async def run() -> None:
        settings = HttpSettings(cors_origins=("https://app.example",))
        async with running_face(tokenizer, settings) as running:
            for origin, allowed in (
                ("https://app.example", "https://app.example"),
                ("https://x.example", None),
            ):
                answer = await ask(running.port, "GET", "/v1/models", headers={"origin": origin})
                assert answer.headers.get("access-control-allow-origin") == allowed

    asyncio.run(run())
