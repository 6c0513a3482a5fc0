"""Responses from request to store, over a scripted engine: what is kept, and what goes on from what."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.harmony.settings import FunctionTool
from gateway.responses.items import (
    CallItem,
    CallOutputItem,
    ItemReference,
    ItemStatus,
    MessageItem,
    ReasoningItem,
)
from gateway.responses.response import ResponseStatus
from gateway.responses.response_request import ResponseRequest
from gateway.responses.response_settings import ResponseSettings
from protos.errors import (
    CapacityError,
    EngineStoppedError,
    InvalidRequestError,
    NotFoundError,
    RequestCancelledError,
)
from tests.gateway.responses.response_cases import request, user
from tests.gateway.responses.served import calling, finished, running, thinking

LOOK = FunctionTool("look", "Looks.", {"type": "object"})


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


async def test_who_leaves_the_foreground_cancels_it() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(request())
        async with aclosing(live.follow()) as batches:
            await anext(batches)
        await live.wait()
        assert gateway.link.num_running == 0
        assert (await gateway.responses.find(live.response_id)).response.status is ResponseStatus.CANCELLED


async def test_one_that_is_too_large_is_answered_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    async with running(settings=ResponseSettings(max_bytes=1000)) as gateway:
        response_id = await finished(gateway, request())
        await gateway.responses.aclose()
        with pytest.raises(NotFoundError):
            await gateway.responses.find(response_id)
        assert "it is not kept" in caplog.text


async def test_nobody_waits_for_a_reader_that_was_cancelled() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(request(is_stored=False))
        reading = asyncio.create_task(live.finished())
        await asyncio.sleep(0.01)
        reading.cancel()
        await live.wait()
        assert isinstance(live.call.ended.result().error, RequestCancelledError)
