"""What the border makes of clients that say nothing, too much, or something else."""

import asyncio
import logging
from collections.abc import AsyncIterable

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2

from gateway.calls.call_settings import CallSettings
from gateway.grpc_face.inference_service import SERVICE
from gateway.grpc_face.settings import GrpcFaceSettings
from model.tokenizer.tokenizer import Tokenizer
from protos.errors import ConfigError
from protos.gen.v1 import inference_pb2 as pb
from tests.gateway.engine_link.hearing import until
from tests.gateway.grpc_face.served import Refusal, Served, Streamed, serving
from tests.gateway.scripted_link import ScriptedLink
from workers.engine.request import GenerationRequest

METHODS = [method.name for method in SERVICE.methods]
NOT_A_MESSAGE = b"\x0f\xff\xff"


def raw_method(served: Served, method: str) -> "grpc.aio.StreamStreamMultiCallable[bytes, bytes]":
    """By which bytes go out and come in as they are."""
    return served.channel.stream_stream(f"/{SERVICE.full_name}/{method}")


async def refused(messages: AsyncIterable[object]) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        assert [message async for message in messages] == []
    return Refusal.of(caught.value)


async def sent(served: Served, method: str, message: bytes) -> Refusal:
    """How a call with this one message is refused."""
    call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
    call = served.channel.unary_stream(f"/{SERVICE.full_name}/{method}")
    return await refused(call(message, timeout=30))


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message(tokenizer: Tokenizer, method: str) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        refusal = await sent(served, method, NOT_A_MESSAGE)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "InvalidRequestError")
    assert f"3 bytes came that are no expertmesh.inference.v1.{method}Request" in refusal.message


@pytest.mark.parametrize("method", METHODS)
async def test_half_closed_without_a_request(tokenizer: Tokenizer, method: str) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        call = raw_method(served, method)(timeout=30)
        await call.done_writing()
        refusal = await refused(call)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "half-closed without a request" in refusal.message


async def test_a_client_that_never_sends_its_request(tokenizer: Tokenizer) -> None:
    settings = GrpcFaceSettings(request_s=0.1)
    async with serving(ScriptedLink(tokenizer), tokenizer, settings=settings) as served:
        refusal = await refused(raw_method(served, "Chat")(timeout=30))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SlowSenderError")
    assert "no request came within 0.1 s" in refusal.message


async def test_a_client_that_never_half_closes_is_answered(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        call = raw_method(served, "Tokenize")(timeout=30)
        await call.write(pb.TokenizeRequest(text="ab").SerializeToString())
        said = await call.read()
        assert isinstance(said, bytes)
        answer = pb.TokenizeResponse.FromString(said)
    assert list(answer.token_ids) == tokenizer.encode("ab")


async def test_a_request_that_is_too_large(tokenizer: Tokenizer) -> None:
    settings = GrpcFaceSettings(max_request_bytes=1000)
    async with serving(ScriptedLink(tokenizer), tokenizer, settings=settings) as served:
        refusal = await sent(served, "Tokenize", bytes(200_000))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_method_that_is_not_there(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        refusal = await sent(served, "Train", b"")
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_fault_of_ours_is_told_in_no_detail(
    tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: GenerationRequest, choice: int) -> str:
        raise ZeroDivisionError(f"{request.request_id} {choice}: secret")

    async with serving(ScriptedLink(tokenizer, broken), tokenizer) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Streamed.of(served.stub.Generate(pb.GenerateRequest(text="a")))
    refusal = Refusal.of(caught.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "InternalError")
    assert "secret" not in refusal.message
    assert "secret" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("idempotency-key", "k" * 257),
        ("idempotency-key", ""),
    ],
)
async def test_metadata_that_cannot_be_a_key(tokenizer: Tokenizer, name: str, value: str) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Streamed.of(served.stub.Generate(pb.GenerateRequest(text="a"), metadata=((name, value),)))
    refusal = Refusal.of(caught.value)
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, name)


@pytest.mark.parametrize("unfit", ["two words", "a" * 129, ""])
async def test_an_id_that_cannot_be_one_is_replaced(tokenizer: Tokenizer, unfit: str) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        call = served.stub.Generate(pb.GenerateRequest(text="a"), metadata=(("x-request-id", unfit),))
        streamed = await Streamed.of(call)
        (made,) = [value for name, value in await call.initial_metadata() if name == "x-request-id"]
    assert isinstance(made, str)
    assert made.startswith("req_")
    assert {message.request_id for message in streamed.messages} == {made}


async def test_a_full_gateway(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, stalls_after=1)
    async with serving(link, tokenizer, calls=CallSettings(max_calls=1)) as served:
        first = served.stub.Generate(pb.GenerateRequest(text="a"))
        await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Streamed.of(served.stub.Generate(pb.GenerateRequest(text="a")))
        refusal = Refusal.of(caught.value)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CapacityError")
        assert "QuotaFailure" in refusal.details
        retry = refusal.details["RetryInfo"]
        assert isinstance(retry, error_details_pb2.RetryInfo)
        assert retry.retry_delay.ToSeconds() == 1
        first.cancel()
        await until(lambda: served.book.num_live == 0)


async def test_one_id_at_a_time(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer, stalls_after=1), tokenizer) as served:
        metadata = (("x-request-id", "same"),)
        first = served.stub.Generate(pb.GenerateRequest(text="a"), metadata=metadata)
        await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Streamed.of(served.stub.Generate(pb.GenerateRequest(text="a"), metadata=metadata))
        assert Refusal.of(caught.value).code is grpc.StatusCode.ALREADY_EXISTS
        assert Refusal.of(caught.value).field == "request_id"


async def test_a_deadline_ends_the_request_in_words(tokenizer: Tokenizer) -> None:
    """The engine on paper does not look at the clock, so it is gRPC that ends this call."""
    link = ScriptedLink(tokenizer, stalls_after=1)
    async with serving(link, tokenizer) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Streamed.of(served.stub.Generate(pb.GenerateRequest(text="a"), timeout=0.3))
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: link.num_running == 0)
    assert link.requests[0].timeout_s is not None
    assert link.requests[0].timeout_s < 0.3 * 0.95, "a tenth less, and gRPC may have made it a hundredth more"


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="max_tools is 0; it must be above 0"):
        GrpcFaceSettings(max_tools=0)


async def test_nothing_is_left_of_calls_that_were_refused(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        before = len(asyncio.all_tasks())
        for method in METHODS:
            await sent(served, method, NOT_A_MESSAGE)
        await until(lambda: len(asyncio.all_tasks()) == before)
