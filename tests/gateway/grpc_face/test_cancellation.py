"""A client that goes, and one that reads slowly: neither costs pages or memory for long. In both modes."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio
import pytest

from gateway.calls.call_settings import CallSettings
from model.tokenizer.tokenizer import Tokenizer
from protos.gen.v1 import inference_pb2 as pb
from tests.gateway.engine_link.hearing import until
from tests.gateway.grpc_face.served import Served, Streamed, serving
from tests.gateway.scripted_link import ScriptedLink
from tests.gateway.stepping_engine import NUM_PAGES, STEP_S, Mode, at_a_worker, in_this_process
from workers.engine.request import GenerationRequest


def endless(number: int) -> pb.GenerateRequest:
    return pb.GenerateRequest(
        token_ids=pb.TokenIds(ids=[number, 2, 3]), options=pb.GenerationOptions(max_tokens=700)
    )


async def cancel(served: Served) -> None:
    call = served.stub.Generate(endless(1))
    await call.read()
    await call.read()
    call.cancel()


async def cancel_the_unary_twin(served: Served) -> None:
    call = served.stub.GenerateUnary(pb.GenerateUnaryRequest(request=endless(1)))
    await asyncio.sleep(3.5 * STEP_S)
    call.cancel()


async def close_the_connection(served: Served) -> None:
    call = served.stub.Generate(endless(1))
    await call.read()
    await served.channel.close()


async def let_the_deadline_pass(served: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await served.stub.GenerateUnary(pb.GenerateUnaryRequest(request=endless(1)), timeout=3.5 * STEP_S)


@pytest.mark.parametrize("mode", [in_this_process, at_a_worker])
@pytest.mark.parametrize(
    "leave", [cancel, cancel_the_unary_twin, close_the_connection, let_the_deadline_pass]
)
async def test_a_client_that_goes_frees_its_pages_within_two_steps(
    tokenizer: Tokenizer, mode: Mode, leave: Callable[[Served], Awaitable[None]]
) -> None:
    async with mode() as engine, serving(engine.link, tokenizer) as served:
        await leave(served)
        before = engine.num_steps()
        assert before > 0
        await until(lambda: engine.num_free_pages() == NUM_PAGES)
        assert engine.num_steps() - before <= 2
        await until(lambda: served.book.num_live == 0)


NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1 << 14))
MAX_UNREAD = 300


def much(_: GenerationRequest, __: int) -> str:
    return "x" * 60_000


async def test_a_reader_that_does_not_read_is_cut_off(tokenizer: Tokenizer) -> None:
    """What gRPC itself takes before it waits is bounded by the window of the connection."""
    link = ScriptedLink(tokenizer, much)
    calls = CallSettings(max_unread=MAX_UNREAD)
    async with serving(link, tokenizer, calls=calls, channel_options=NARROW) as served:
        call = served.stub.Generate(pb.GenerateRequest(text="a"))
        await call.read()
        await until(lambda: len(link.cancelled) == 1)
        assert served.book.num_live == 0
        rest = await Streamed.of(call)
    assert rest.ended.failure.reason == "SlowReaderError"
    num_told = len(rest.text("text_delta"))
    assert MAX_UNREAD <= num_told < 30_000, "far from all that the engine would have said"


async def test_a_slow_reader_of_a_quick_engine_gets_few_large_messages(tokenizer: Tokenizer) -> None:
    """While it does not read, what comes is joined."""
    link = ScriptedLink(tokenizer, much)
    calls = CallSettings(max_unread=100_000)
    async with serving(link, tokenizer, calls=calls, channel_options=NARROW) as served:
        call = served.stub.Generate(pb.GenerateRequest(text="a"))
        await until(lambda: served.book.num_live == 0)
        streamed = await Streamed.of(call)
    assert streamed.text("text_delta") == "x" * 60_000
    assert len(streamed.messages) < 20_000
