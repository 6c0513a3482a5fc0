"""Responses from request to store, over a scripted engine: what goes on from what, and who outlives whom."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.calls.call_settings import CallSettings
from gateway.harmony.settings import FunctionTool
from gateway.responses.items import (
    CallItem,
    CallOutputItem,
    ItemReference,
    ItemStatus,
    MessageItem,
    ReasoningItem,
)
from gateway.responses.response import FailureCode, ResponseStatus
from gateway.responses.response_events import ItemDone, Moment, ResponseEvent, ResponseMoment
from gateway.responses.response_request import DeclaredTool, ResponseRequest
from gateway.responses.response_settings import ResponseSettings
from protos.errors import (
    CallNotKeptError,
    CapacityError,
    EngineStoppedError,
    InvalidRequestError,
    NotFoundError,
    RequestCancelledError,
)
from tests.gateway.responses.response_cases import request, user
from tests.gateway.responses.served import Gateway, calling, running, thinking

LOOK = DeclaredTool(FunctionTool("look", "Looks.", {"type": "object"}))
IN_BACKGROUND = request(is_background=True)


async def finished(gateway: Gateway, wanted: ResponseRequest) -> str:
    """-> its id."""
    return (await (await gateway.responses.create(wanted)).finished()).response_id


async def followed(gateway: Gateway, response_id: str, after: int = -1) -> list[tuple[int, ResponseEvent]]:
    async with aclosing(await gateway.responses.follow(response_id, after)) as batches:
        return [
            (batch.first + index, event)
            async for batch in batches
            for index, event in enumerate(batch.events)
        ]


async def settled(gateway: Gateway, response_id: str) -> ResponseStatus:
    """Waits until it has ended; -> how."""
    while not (status := (await gateway.responses.find(response_id)).response.status).has_ended:
        await asyncio.sleep(0.002)
    return status


def spoken(prompt: str) -> str:
    """The prompt behind the messages of system and developer."""
    return prompt[prompt.index("<|start|>user") :]


async def test_a_conversation_goes_on_without_the_reasoning_of_answered_questions() -> None:
    async with running(thinking("Hm.", "Yes."), thinking("So.", "No.")) as gateway:
        first = await finished(gateway, request(instructions="Be brief."))
        wanted = request(user("m2", "Always?"), previous_response_id=first)
        await finished(gateway, wanted)
        assert spoken(gateway.prompt(1)) == (
            "<|start|>user<|message|>Is the sea blue?<|end|>"
            "<|start|>assistant<|channel|>final<|message|>Yes.<|end|>"
            "<|start|>user<|message|>Always?<|end|><|start|>assistant"
        )
        assert "Be brief." in gateway.prompt(0)
        assert "Be brief." not in gateway.prompt(1)


async def test_a_chain_of_three_holds_all_of_it() -> None:
    async with running(*(thinking("Hm.", f"A{number}.") for number in range(3))) as gateway:
        previous = None
        for number in range(3):
            wanted = request(user(f"m{number}", f"Q{number}?"), previous_response_id=previous)
            previous = await finished(gateway, wanted)
        assert previous is not None
        stored = await gateway.responses.find(previous)
        texts = [item.text for item in stored.items if isinstance(item, MessageItem)]
        assert texts == ["Q0?", "A0.", "Q1?", "A1.", "Q2?", "A2."]
        first = await finished(gateway, request(user("m", "Q!"), previous_response_id=previous))
        await gateway.responses.delete(previous)
        assert len((await gateway.responses.find(first)).items) == 12


async def test_a_tool_loop_shows_the_model_its_reasoning_again() -> None:
    async with running(calling("I look.", "look", '{"at":"sea"}'), thinking("Blue.", "Yes.")) as gateway:
        asked = await gateway.responses.create(request(tools=(LOOK,)))
        call = (await asked.finished()).output[-1]
        assert isinstance(call, CallItem)
        assert (call.name, call.arguments, call.status) == ("look", '{"at":"sea"}', ItemStatus.COMPLETED)
        output = CallOutputItem("o", call.call_id, "blue")
        wanted = request(output, tools=(LOOK,), previous_response_id=asked.response_id)
        await finished(gateway, wanted)
        assert spoken(gateway.prompt(1)) == (
            "<|start|>user<|message|>Is the sea blue?<|end|>"
            "<|start|>assistant<|channel|>analysis<|message|>I look.<|end|>"
            "<|start|>assistant to=functions.look<|channel|>commentary <|constrain|>json<|message|>"
            '{"at":"sea"}<|call|>'
            "<|start|>functions.look to=assistant<|channel|>commentary<|message|>blue<|end|>"
            "<|start|>assistant"
        )


async def test_a_call_without_output_is_refused_in_words() -> None:
    async with running(calling("I look.", "look", "{}")) as gateway:
        first = await finished(gateway, request(tools=(LOOK,)))
        with pytest.raises(InvalidRequestError, match=r"function 'look' has no output") as caught:
            await gateway.responses.create(request(previous_response_id=first))
        assert caught.value.field == "input"
        wanted = request(CallOutputItem("o", "call_9", "x"), previous_response_id=first)
        with pytest.raises(InvalidRequestError, match=r"'call_9' has no function call before it"):
            await gateway.responses.create(wanted)


async def test_an_item_stands_for_one_that_is_kept() -> None:
    async with running() as gateway:
        asked = await gateway.responses.create(request())
        answer = (await asked.finished()).output[-1]
        reference = ItemReference(answer.item_id)
        await finished(gateway, ResponseRequest("tiny", (reference, user("m", "Why?"))))
        assert "<|channel|>final<|message|>Yes.<|end|><|start|>user<|message|>Why?" in gateway.prompt(1)
        with pytest.raises(NotFoundError, match="no item 'msg_9' here") as caught:
            await gateway.responses.create(ResponseRequest("tiny", (ItemReference("msg_9"),)))
        assert caught.value.field == "input"


async def test_what_is_not_stored_cannot_be_gone_on_from() -> None:
    async with running() as gateway:
        unkept = await finished(gateway, request(is_stored=False))
        with pytest.raises(NotFoundError, match="store=false"):
            await gateway.responses.find(unkept)
        with pytest.raises(NotFoundError) as caught:
            await gateway.responses.create(request(previous_response_id=unkept))
        assert caught.value.field == "previous_response_id"
        assert len(gateway.store) == 0


async def test_another_model_is_not_found() -> None:
    async with running() as gateway:
        with pytest.raises(NotFoundError, match="'gpt-6' is not served here"):
            await gateway.responses.create(request(model="gpt-6"))
        assert gateway.link.requests == []


async def test_time_over_and_it_is_gone() -> None:
    async with running(settings=ResponseSettings(keep_s=60.0)) as gateway:
        response_id = await finished(gateway, request())
        await gateway.responses.aclose()
        gateway.clock.now += 59
        assert (await gateway.responses.find(response_id)).response.status is ResponseStatus.COMPLETED
        gateway.clock.now += 1
        with pytest.raises(NotFoundError):
            await gateway.responses.find(response_id)


async def test_in_the_background_it_runs_without_a_reader_and_is_told_from_its_beginning() -> None:
    async with running(calls=CallSettings(resume_s=0.001)) as gateway:
        gateway.link.pause_s = 0.001
        live = await gateway.responses.create(IN_BACKGROUND)
        assert live.response.status is ResponseStatus.QUEUED
        async with aclosing(live.follow()) as batches:
            await anext(batches)
        assert await settled(gateway, live.response_id) is ResponseStatus.COMPLETED
        told = await followed(gateway, live.response_id)
        assert [number for number, _ in told] == list(range(len(told)))
        moments = [event.moment for _, event in told if isinstance(event, ResponseMoment)]
        assert moments == [Moment.CREATED, Moment.QUEUED, Moment.IN_PROGRESS, Moment.COMPLETED]
        last = told[-1][1]
        assert isinstance(last, ResponseMoment)
        assert last.response == (await gateway.responses.find(live.response_id)).response
        assert [event.item for _, event in told if isinstance(event, ItemDone)] == list(last.response.output)


async def test_a_stream_goes_on_where_it_stopped_while_it_runs_and_when_it_has_ended() -> None:
    async with running() as gateway:
        gateway.link.pause_s = 0.002
        live = await gateway.responses.create(IN_BACKGROUND)
        before: list[ResponseEvent] = []
        async with aclosing(await gateway.responses.follow(live.response_id)) as batches:
            async for batch in batches:
                before += batch.events
                if len(before) >= 8:
                    break
        assert not live.response.status.has_ended
        behind = await followed(gateway, live.response_id, len(before) - 1)
        assert [number for number, _ in behind] == list(range(len(before), len(before) + len(behind)))
        await settled(gateway, live.response_id)
        whole = await followed(gateway, live.response_id)
        assert [event for _, event in whole] == before + [event for _, event in behind]


async def test_events_go_before_the_response_does() -> None:
    async with running(calls=CallSettings(keep_ended_s=0.01)) as gateway:
        live = await gateway.responses.create(IN_BACKGROUND)
        await settled(gateway, live.response_id)
        await asyncio.sleep(0.03)
        assert (await gateway.responses.find(live.response_id)).response.output != ()
        with pytest.raises(CallNotKeptError):
            await gateway.responses.follow(live.response_id)


async def test_in_the_background_a_refusal_is_its_end() -> None:
    async with running() as gateway:
        gateway.link.refusal = CapacityError("the queue is full")
        live = await gateway.responses.create(IN_BACKGROUND)
        assert await settled(gateway, live.response_id) is ResponseStatus.FAILED
        failure = (await gateway.responses.find(live.response_id)).response.failure
        assert failure is not None
        assert (failure.code, failure.message) == (FailureCode.RATE_LIMIT_EXCEEDED, "the queue is full")
        moments = [
            event.moment
            for _, event in await followed(gateway, live.response_id)
            if isinstance(event, ResponseMoment)
        ]
        assert moments == [Moment.CREATED, Moment.QUEUED, Moment.FAILED]


async def test_what_is_refused_in_the_foreground_was_never_there() -> None:
    async with running() as gateway:
        gateway.link.refusal = CapacityError("the queue is full")
        live = await gateway.responses.create(request())
        with pytest.raises(CapacityError):
            await live.finished()
        await asyncio.sleep(0)
        with pytest.raises(NotFoundError):
            await gateway.responses.find(live.response_id)


async def test_a_break_is_raised_to_who_waits_and_stored() -> None:
    async with running() as gateway:
        gateway.link.breaks_after = (12, EngineStoppedError("the engine stopped"))
        live = await gateway.responses.create(request())
        with pytest.raises(EngineStoppedError):
            await live.finished()
        stored = await gateway.responses.find(live.response_id)
        assert stored.response.status is ResponseStatus.FAILED
        (item,) = stored.response.output
        assert isinstance(item, ReasoningItem)
        assert item.status is ItemStatus.INCOMPLETE
        with pytest.raises(InvalidRequestError, match=r"is failed; only a response that is completed"):
            await gateway.responses.create(request(previous_response_id=live.response_id))


async def test_cancelling_ends_it_and_frees_the_engine() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(IN_BACKGROUND)
        following = asyncio.create_task(followed(gateway, live.response_id))
        while not live.response.output:
            await asyncio.sleep(0.002)
        response = await gateway.responses.cancel(live.response_id)
        assert response.status is ResponseStatus.CANCELLED
        assert response.failure is None
        assert gateway.link.cancelled == [live.response_id]
        last = (await following)[-1][1]
        assert isinstance(last, ResponseMoment)
        assert (last.moment, last.response) == (Moment.FAILED, response)
        assert await gateway.responses.cancel(live.response_id) == response


async def test_only_the_background_is_cancelled_and_followed_again() -> None:
    async with running() as gateway:
        response_id = await finished(gateway, request())
        with pytest.raises(InvalidRequestError, match="by closing its connection"):
            await gateway.responses.cancel(response_id)
        with pytest.raises(InvalidRequestError, match="background=true") as caught:
            await gateway.responses.follow(response_id)
        assert caught.value.field == "stream"


async def test_who_leaves_the_foreground_cancels_it() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(request())
        async with aclosing(live.follow()) as batches:
            await anext(batches)
        await live.wait()
        assert gateway.link.num_running == 0
        assert (await gateway.responses.find(live.response_id)).response.status is ResponseStatus.CANCELLED


async def test_deleting_ends_what_runs_and_leaves_nothing() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(IN_BACKGROUND)
        await asyncio.sleep(0.01)
        await asyncio.gather(
            gateway.responses.delete(live.response_id),
            gateway.responses.delete(live.response_id),
            return_exceptions=True,
        )
        assert gateway.link.num_running == 0
        assert not gateway.inference.book.is_known(live.response_id)
        assert (len(gateway.store), gateway.store.num_bytes) == (0, 0)
        for ask in (gateway.responses.find, gateway.responses.follow, gateway.responses.delete):
            with pytest.raises(NotFoundError):
                await ask(live.response_id)


async def test_so_many_in_the_background_and_no_more() -> None:
    async with running(settings=ResponseSettings(max_background=2)) as gateway:
        gateway.link.stalls_after = 0
        lives = [await gateway.responses.create(IN_BACKGROUND) for _ in range(2)]
        with pytest.raises(CapacityError, match=r"^2 responses .*max_background"):
            await gateway.responses.create(IN_BACKGROUND)
        await gateway.responses.cancel(lives[0].response_id)
        await gateway.responses.create(IN_BACKGROUND)


async def test_a_response_that_still_runs_is_not_gone_on_from() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(IN_BACKGROUND)
        with pytest.raises(InvalidRequestError, match=r"is (queued|in_progress)") as caught:
            await gateway.responses.create(request(previous_response_id=live.response_id))
        assert caught.value.field == "previous_response_id"


async def test_one_that_is_too_large_is_answered_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    async with running(settings=ResponseSettings(max_bytes=1000)) as gateway:
        response_id = await finished(gateway, request())
        await gateway.responses.aclose()
        with pytest.raises(NotFoundError):
            await gateway.responses.find(response_id)
        assert "it is not kept" in caplog.text


async def test_stopping_stores_what_has_come_so_far() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(IN_BACKGROUND)
        while not live.response.output:
            await asyncio.sleep(0.002)
        await gateway.inference.book.aclose()
        await gateway.responses.aclose()
        stored = await gateway.store.get(live.response_id)
        assert stored.response.status is ResponseStatus.FAILED
        assert stored.response.failure is not None
        assert "the gateway stops" in stored.response.failure.message


async def test_nobody_waits_for_a_reader_that_was_cancelled() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(request(is_stored=False))
        reading = asyncio.create_task(live.finished())
        await asyncio.sleep(0.01)
        reading.cancel()
        await live.wait()
        assert isinstance(live.call.ended.result().error, RequestCancelledError)
