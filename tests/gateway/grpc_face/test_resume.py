"""Calls that outlive their stream: Resume, Cancel, idempotency keys."""

import asyncio
from collections.abc import Sequence

import grpc
import grpc.aio
import pytest

from gateway.calls.call import CallKind
from gateway.calls.call_book import CallRequest
from gateway.calls.call_settings import CallSettings
from model.tokenizer.tokenizer import Tokenizer
from protos.gen.v1 import inference_pb2 as pb
from tests.gateway.calls.test_call import Engine, delta, same
from tests.gateway.engine_link.hearing import until
from tests.gateway.grpc_face.served import Metadata, Refusal, Served, Streamed, StreamedMessage, serving
from tests.gateway.scripted_link import ScriptedLink
from workers.engine.events import Event
from workers.engine.request import GenerationRequest

MINE = (("x-request-id", "mine"),)
SAID = "A rather long answer, of which the client hears a part."


def say(_: GenerationRequest, __: int) -> str:
    return f"<|channel|>final<|message|>{SAID}<|return|>"


def chat(**fields: object) -> pb.ChatRequest:
    messages = [pb.Message(user=pb.UserMessage(text="Hello."))]
    return pb.ChatRequest(messages=messages, **fields)  # type: ignore[arg-type]


async def refused(call: "grpc.aio.UnaryStreamCall[object, StreamedMessage]") -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await Streamed.of(call)  # type: ignore[arg-type]
    return Refusal.of(caught.value)


async def some(served: Served, number: int, *, is_chat: bool) -> list[StreamedMessage]:
    """So many messages of a resumable call, and then the client has gone."""
    if is_chat:
        call = served.stub.Chat(chat(resumable=True), metadata=MINE)
    else:
        call = served.stub.Generate(pb.GenerateRequest(text="Hello.", resumable=True), metadata=MINE)
    heard = [await call.read() for _ in range(number)]
    call.cancel()
    return heard


def text_of(messages: Sequence[StreamedMessage]) -> str:
    events = [event for message in messages for event in message.events]
    return "".join(event.content_delta.text + event.text_delta.text for event in events)


@pytest.mark.parametrize("is_chat", [False, True])
@pytest.mark.parametrize("number", [1, 3, 7])
async def test_a_stream_goes_on_where_it_stopped(tokenizer: Tokenizer, number: int, is_chat: bool) -> None:
    link = ScriptedLink(tokenizer, say, pause_s=0.002)
    async with serving(link, tokenizer) as served:
        heard = await some(served, number, is_chat=is_chat)
        await asyncio.sleep(0.02)  # it goes on without a reader
        after = pb.ResumeRequest(request_id="mine", after_sequence=heard[-1].sequence)
        rest = await Streamed.of(served.stub.Resume(after))
        again = await Streamed.of(served.stub.Resume(pb.ResumeRequest(request_id="mine")))
    whole = text_of([*heard, *rest.messages])
    assert whole == text_of(again.messages)
    assert whole.endswith(SAID)
    assert len(whole) - len(SAID) in (0, len("final")), "nothing comes twice"
    assert len(link.requests) == 1
    assert link.cancelled == []


async def test_without_resumable_it_ends_with_its_reader(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say, pause_s=0.002)
    async with serving(link, tokenizer) as served:
        call = served.stub.Chat(chat(), metadata=MINE)
        await call.read()
        call.cancel()
        await until(lambda: link.cancelled == ["mine"])
        refusal = await refused(served.stub.Resume(pb.ResumeRequest(request_id="mine")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CallNotKeptError")


async def test_nobody_comes_back(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say, stalls_after=9)
    async with serving(link, tokenizer, calls=CallSettings(resume_s=0.05)) as served:
        await some(served, 1, is_chat=True)
        await until(lambda: link.cancelled == ["mine"])
        ended = await Streamed.of(served.stub.Resume(pb.ResumeRequest(request_id="mine")))
    assert ended.ended.failure.reason == "RequestCancelledError"


async def test_a_number_that_has_not_been_given(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer, say), tokenizer) as served:
        await Streamed.of(served.stub.Chat(chat(resumable=True), metadata=MINE))
        far = pb.ResumeRequest(request_id="mine", after_sequence=1 << 63)
        refusal = await refused(served.stub.Resume(far))
    assert refusal.reason == "CallNotKeptError"


async def test_cancel_ends_a_call_with_a_terminal_event(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say, stalls_after=5)
    async with serving(link, tokenizer) as served:
        call = served.stub.Generate(pb.GenerateRequest(text="a"), metadata=MINE)
        reading = asyncio.create_task(Streamed.of(call))
        await until(lambda: link.num_running == 1)
        await served.stub.Cancel(pb.CancelRequest(request_id="mine"))
        streamed = await reading
        assert streamed.ended.failure.reason == "RequestCancelledError"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.stub.Cancel(pb.CancelRequest(request_id="mine"))
    assert Refusal.of(caught.value).code is grpc.StatusCode.NOT_FOUND


KEY: Metadata = (("idempotency-key", "order 66"),)


async def test_the_same_key_and_request_is_the_same_call(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say, pause_s=0.001)
    async with serving(link, tokenizer) as served:
        calls = [served.stub.Chat(chat(), metadata=KEY) for _ in range(3)]  # all at once
        streams = await asyncio.gather(*map(Streamed.of, calls))
        streams.append(await Streamed.of(served.stub.Chat(chat(), metadata=KEY)))
    assert len(link.requests) == 1
    assert {message.request_id for stream in streams for message in stream.messages} == {
        link.requests[0].request_id
    }
    assert {text_of(stream.messages) for stream in streams} == {SAID}


async def test_the_same_key_and_another_request_is_a_conflict(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say)
    async with serving(link, tokenizer) as served:
        await Streamed.of(served.stub.Chat(chat(), metadata=KEY))
        others = (
            served.stub.Chat(chat(enveloped=True), metadata=KEY),
            served.stub.Generate(pb.GenerateRequest(text="Hello."), metadata=KEY),
        )
        for other in others:
            refusal = await refused(other)
            assert refusal.code is grpc.StatusCode.ALREADY_EXISTS
            assert (refusal.reason, refusal.field) == ("ConflictError", "idempotency_key")
    assert len(link.requests) == 1


async def test_the_unary_twin_has_keys_too(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say)
    request = pb.ChatUnaryRequest(request=chat())
    async with serving(link, tokenizer) as served:
        first = await served.stub.ChatUnary(request, metadata=KEY)
        second = await served.stub.ChatUnary(request, metadata=KEY)
    assert first == second
    assert first.choices[0].content == SAID
    assert len(link.requests) == 1


async def test_a_call_that_is_told_in_other_words_is_not_resumed_here(tokenizer: Tokenizer) -> None:
    """A response of the HTTP face, say."""
    async with serving(ScriptedLink(tokenizer, say), tokenizer) as served:
        opening: list[Event] = [delta("a word")]
        wanted = CallRequest("told", needs_reader=False)
        call = served.book.open(wanted, 3, Engine().events, same, opening, kind=CallKind.TOLD)
        refusal = await refused(served.stub.Resume(pb.ResumeRequest(request_id="told")))
        call.cancel()
        await call.ended
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CallNotKeptError")
    assert "told in other words" in refusal.message
