"""Idempotency keys: the same call again, whoever asks, and another body is a conflict."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from gateway.calls.call_settings import CallSettings
from model.tokenizer import Tokenizer
from protos.errors import CapacityError
from tests.gateway.engine_link.hearing import until
from tests.gateway.http_face.running_face import RunningFace, quiet, running_face
from tests.gateway.http_face.test_connection import INTO_TEXT
from tests.gateway.http_face.wire import post, raw_request, wire_to

PATH = "/v1/chat/completions"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
STREAM = {**CHAT, "stream": True}
TWO = {"model": "tiny", "prompt": ["Hi", "You"], "max_tokens": 3}
KEY = {"idempotency-key": "pay once"}


async def the_same_answer_again(running: RunningFace) -> None:
    for path, body in ((PATH, CHAT), (PATH, STREAM), ("/v1/completions", TWO)):
        running.link.requests.clear()
        key = {"idempotency-key": f"of {path} {len(body)}"}
        first, again = [await post(running.port, path, body, key) for _ in range(2)]
        assert first.status == again.status == 200
        if body is STREAM:
            assert joined(again.events) == joined(first.events) == "Hello."
            assert {event["id"] for event in again.events[:-1]} == {first.events[0]["id"]}
        else:
            assert again.document == first.document
        assert len(running.link.requests) == (2 if body is TWO else 1)


def joined(events: list[dict[str, list[dict[str, dict[str, str]]]]]) -> str:
    return "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1])


async def while_it_runs_too(running: RunningFace) -> None:
    running.link.pause_s = 0.01
    first, again = await asyncio.gather(*(post(running.port, PATH, CHAT, KEY) for _ in range(2)))
    assert first.document == again.document
    assert len(running.link.requests) == 1


async def after_its_client_was_lost(running: RunningFace) -> None:
    """The call waits for whoever comes with the key."""
    running.link.pause_s = 0.01
    async with wire_to(running.port) as wire:
        await wire.send(raw_request("POST", PATH, STREAM, KEY))
        await wire.head()
    await until(lambda: running.face.num_connections == 0)
    answer = await post(running.port, PATH, STREAM, KEY)
    assert joined(answer.events) == "Hello."
    assert len(running.link.requests) == 1
    assert running.link.cancelled == []


async def another_body_is_a_conflict(running: RunningFace) -> None:
    await post(running.port, PATH, CHAT, KEY)
    for path, body in ((PATH, {**CHAT, "seed": 1}), (PATH, STREAM), ("/v1/completions", TWO)):
        answer = await post(running.port, path, body, KEY)
        assert (answer.status, answer.error["param"]) == (409, "idempotency_key")


async def a_key_is_not_a_part_of_another(running: RunningFace) -> None:
    for path, body, key in (("/v1/completions", TWO, "a"), (PATH, CHAT, "a 1"), (PATH, CHAT, "a 0")):
        assert (await post(running.port, path, body, {"idempotency-key": key})).status == 200


async def what_was_refused_can_be_asked_again(running: RunningFace) -> None:
    running.link.refusal = CapacityError("full")
    assert (await post(running.port, PATH, CHAT, KEY)).status == 429
    running.link.refusal = None
    assert (await post(running.port, PATH, CHAT, KEY)).status == 200


async def keys_that_are_none(running: RunningFace) -> None:
    for key in ("", "x" * 257, "é"):
        answer = await post(running.port, PATH, CHAT, {"idempotency-key": key})
        assert (answer.status, answer.error["param"]) == (400, "idempotency-key")


async def without_a_key_nothing_is_kept(running: RunningFace) -> None:
    running.link.stalls_after = INTO_TEXT
    async with wire_to(running.port) as wire:
        await wire.send(raw_request("POST", PATH, STREAM))
        await wire.head()
    await until(lambda: len(running.link.cancelled) == 1)
    await quiet(running)


CASES = [
    the_same_answer_again,
    while_it_runs_too,
    after_its_client_was_lost,
    another_body_is_a_conflict,
    a_key_is_not_a_part_of_another,
    what_was_refused_can_be_asked_again,
    keys_that_are_none,
    without_a_key_nothing_is_kept,
]
Case = Callable[[RunningFace], Coroutine[None, None, None]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
def test_call_opening(case: Case, tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer) as running:
            await case(running)

    asyncio.run(run())


def test_what_cannot_be_opened_whole_leaves_what_was_known_before_alone(tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer, calls=CallSettings(max_calls=2)) as running:
            running.link.stalls_after = 0
            asking = asyncio.create_task(post(running.port, "/v1/completions", TWO, KEY))
            await until(lambda: len(running.link.requests) == 2)
            first, second = [request.request_id for request in running.link.requests]
            running.inference.cancel(second)
            await asking
            asking = asyncio.create_task(post(running.port, PATH, CHAT))
            await until(lambda: len(running.link.requests) == 3)
            assert (await post(running.port, "/v1/completions", TWO, KEY)).status == 429
            assert running.link.cancelled == [second]
            assert not running.inference.book.find(first).has_ended
            for request in running.link.requests:
                if running.inference.book.is_known(request.request_id):
                    running.inference.cancel(request.request_id)
            await asking

    asyncio.run(run())
