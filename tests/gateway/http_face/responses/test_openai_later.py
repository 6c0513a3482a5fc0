"""The official Python client on what comes later: background, resumed streams, pages, ends, refusals."""

import asyncio
import json
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, RateLimitError

from gateway.responses.response_settings import ResponseSettings
from protos.errors import CapacityError, EngineStoppedError
from tests.gateway.engine_link.hearing import until
from tests.gateway.http_face.responses.official import checked_items
from tests.gateway.http_face.responses.test_openai_client import QUESTION, gathered
from tests.gateway.http_face.running_face import MODEL
from tests.gateway.responses.served import Served, served, thinking


async def polled(at: Served, response_id: str) -> Any:
    """Asks until it has ended."""
    while (response := await at.client.responses.retrieve(response_id)).status in ("queued", "in_progress"):
        await asyncio.sleep(0.005)
    return response


async def test_in_the_background_polled() -> None:
    async with served() as at:
        at.gateway.link.pause_s = 0.001
        begun = await at.client.responses.create(model=MODEL, input=QUESTION, background=True)
        assert (begun.status, begun.output, begun.usage) == ("queued", [], None)
        done = await polled(at, begun.id)
        assert (done.status, done.output_text, done.background) == ("completed", "Yes.", True)


async def test_in_the_background_streamed_lost_and_resumed() -> None:
    async with served() as at:
        at.gateway.link.pause_s = 0.002
        before: list[Any] = []
        stream = await at.client.responses.create(model=MODEL, input=QUESTION, background=True, stream=True)
        async for event in stream:
            before.append(event)
            if len(before) == 9:
                break
        await stream.close()
        assert [event.type for event in before[:3]] == [
            "response.created",
            "response.queued",
            "response.in_progress",
        ]
        response_id = before[0].response.id
        behind = await gathered(
            await at.client.responses.retrieve(response_id, stream=True, starting_after=8)
        )
        whole = await gathered(await at.client.responses.retrieve(response_id, stream=True))
        assert [event.sequence_number for event in behind] == list(range(9, 9 + len(behind)))
        assert whole == before + behind
        assert whole[-1].response == await polled(at, response_id)


async def test_in_the_background_cancelled() -> None:
    async with served() as at:
        at.gateway.link.stalls_after = 15
        begun = await at.client.responses.create(model=MODEL, input=QUESTION, background=True)
        stream = await at.client.responses.retrieve(begun.id, stream=True)
        following = asyncio.create_task(gathered(stream))
        cancelled = await at.client.responses.cancel(begun.id)
        assert (cancelled.status, cancelled.error) == ("cancelled", None)
        assert at.gateway.link.num_running == 0
        last = (await following)[-1]
        assert (last.type, last.response.status) == ("response.failed", "cancelled")
        assert (await at.client.responses.retrieve(begun.id)).status == "cancelled"


async def test_a_deleted_response_is_gone() -> None:
    async with served() as at:
        response = await at.client.responses.create(model=MODEL, input=QUESTION)
        await at.client.responses.delete(response.id)
        for asked in (
            at.client.responses.retrieve(response.id),
            at.client.responses.delete(response.id),
            at.client.responses.cancel(response.id),
            at.client.responses.create(model=MODEL, input="Why?", previous_response_id=response.id),
        ):
            with pytest.raises(NotFoundError, match="it was deleted"):
                await asked


async def test_the_input_in_pages() -> None:
    async with served(*(thinking("Hm.", f"A{number}.") for number in range(3))) as at:
        previous = None
        for number in range(3):
            asked = await at.client.responses.create(
                model=MODEL, input=f"Q{number}?", previous_response_id=previous
            )
            previous = asked.id
        assert previous is not None
        pages = await at.client.responses.input_items.list(previous, limit=2, order="asc")
        kinds = [item.type async for item in pages]
        assert kinds == ["message", "reasoning", "message", "message", "reasoning", "message", "message"]
        raw = await at.client.responses.input_items.with_raw_response.list(previous)
        page = checked_items(json.loads(raw.text))
        assert page.has_more is False
        newest = page.data[0].model_dump()
        assert newest["content"][0]["text"] == "Q2?"


async def test_refusals_have_their_status_their_field_and_their_words() -> None:
    async with served(settings=ResponseSettings(max_background=1)) as at:
        tool: Any = {"type": "web_search"}
        with pytest.raises(BadRequestError, match="would run at the server") as bad:
            await at.client.responses.create(model=MODEL, input=QUESTION, tools=[tool])
        assert bad.value.param == "tools[0].type"
        with pytest.raises(NotFoundError) as unknown:
            await at.client.responses.create(model="gpt-6", input=QUESTION)
        assert (unknown.value.param, unknown.value.code) == ("model", "model_not_found")
        with pytest.raises(BadRequestError, match="nothing would be idempotent"):
            await at.client.responses.create(
                model=MODEL, input=QUESTION, extra_headers={"idempotency-key": "k"}
            )
        at.gateway.link.refusal = CapacityError("the queue is full")
        for is_streamed in (False, True):
            with pytest.raises(RateLimitError, match="the queue is full"):
                await at.client.responses.create(model=MODEL, input=QUESTION, stream=is_streamed)
        response = await at.client.responses.create(model=MODEL, input=QUESTION, background=True)
        failed = await polled(at, response.id)
        assert failed.status == "failed"
        assert failed.error is not None
        assert (failed.error.code, failed.error.message) == ("rate_limit_exceeded", "the queue is full")


async def test_a_break_is_a_status_or_the_terminal_event() -> None:
    async with served() as at:
        at.gateway.link.breaks_after = (14, EngineStoppedError("the engine stopped"))
        with pytest.raises(APIStatusError, match="the engine stopped") as caught:
            await at.client.responses.create(model=MODEL, input=QUESTION)
        assert caught.value.status_code == 503
        events = await gathered(await at.client.responses.create(model=MODEL, input=QUESTION, stream=True))
        assert [event.type for event in events if "response" in type(event).model_fields] == [
            "response.created",
            "response.in_progress",
            "response.failed",
        ]
        assert events[-1].response.error.message == "the engine stopped"


async def test_closing_the_connection_cancels() -> None:
    async with served() as at:
        at.gateway.link.stalls_after = 15
        stream = await at.client.responses.create(model=MODEL, input=QUESTION, stream=True)
        async for event in stream:
            if event.type == "response.reasoning_text.delta":
                break
        await stream.close()
        await until(lambda: at.gateway.link.num_running == 0)
        asking = asyncio.create_task(at.client.responses.create(model=MODEL, input=QUESTION))
        await until(lambda: at.gateway.link.num_running == 1)
        asking.cancel()
        await until(lambda: at.gateway.link.num_running == 0)
        assert len(at.gateway.link.cancelled) == 2
