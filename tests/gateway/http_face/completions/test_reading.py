"""Several calls read as one: nothing before all are taken, nothing left behind."""

from contextlib import aclosing

import pytest

from gateway.calls.call import Call
from gateway.calls.call_book import CallRequest
from gateway.http_face.completions.reading import read_together
from gateway.inference import Inference
from gateway.options import GenerationOptions
from gateway.text.text_request import TextRequest
from model.tokenizer import Tokenizer
from protos.errors import CapacityError, EngineStoppedError
from tests.gateway.engine_link.hearing import nothing_is_left, until
from tests.gateway.http_face.running_face import inference_over
from tests.gateway.scripted_link import ScriptedLink
from workers.engine.events import ChoiceDelta, Event, RequestEnded


async def opened(inference: Inference, *lengths: int) -> list[Call[Event]]:
    return [
        await inference.text(
            TextRequest((1, 2), GenerationOptions(max_tokens=length)), CallRequest(f"call {number}")
        )
        for number, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("lengths", [(3,), (3, 1), (1, 7, 2, 5)])
async def test_each_event_of_each_call_comes_once(lengths: tuple[int, ...], tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, script=lambda request, choice: "abcdefgh")  # noqa: ARG005
    inference = inference_over(link, tokenizer)
    texts = [""] * len(lengths)
    ends: list[int] = []
    async with aclosing(read_together(await opened(inference, *lengths))) as news:
        async for index, events in news:
            texts[index] += "".join(each.text for each in events if isinstance(each, ChoiceDelta))
            ends += [index for each in events if isinstance(each, RequestEnded)]
    assert texts == ["abcdefgh"[:length] for length in lengths]
    assert sorted(ends) == list(range(len(lengths)))
    await nothing_is_left()


@pytest.mark.parametrize("num_read", [1, 4])
async def test_who_reads_no_more_cancels_all(num_read: int, tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, script=lambda request, choice: "a" * 3000, pause_s=0.001)  # noqa: ARG005
    inference = inference_over(link, tokenizer)
    async with aclosing(read_together(await opened(inference, 900, 800, 700))) as news:
        for _ in range(num_read):
            await anext(news)
    await until(lambda: inference.book.num_live == 0)
    assert link.num_running == 0
    await nothing_is_left()


async def test_one_refusal_ends_all(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, pause_s=0.001)
    inference = inference_over(link, tokenizer)
    calls = await opened(inference, 5, 5)
    link.refusal = CapacityError("full")
    calls += [await inference.text(TextRequest((1,)), CallRequest("refused"))]
    with pytest.raises(CapacityError, match="full"):
        async with aclosing(read_together(calls)) as news:
            _ = [each async for each in news]
    await until(lambda: inference.book.num_live == 0)
    await nothing_is_left()


async def test_a_late_error_is_an_event(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, breaks_after=(2, EngineStoppedError("stopped")))
    inference = inference_over(link, tokenizer)
    async with aclosing(read_together(await opened(inference, 9, 9))) as news:
        lasts = [events[-1] async for _, events in news]
    assert [str(each.error) for each in lasts if isinstance(each, RequestEnded)] == ["stopped", "stopped"]
    await nothing_is_left()
