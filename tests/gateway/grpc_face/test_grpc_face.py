"""The server as its neighbours see it: health, reflection, drain, TLS."""

import asyncio
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.calls.call_book import CallBook
from gateway.calls.call_settings import CallSettings
from gateway.classify.policy_store import PolicyStore
from gateway.gateway_server import GatewayServer
from gateway.grpc_face.grpc_face import GrpcFace
from gateway.grpc_face.inference_service import SERVICE
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.inference import Inference
from gateway.served_model import ServedModel
from model.tokenizer.tokenizer import Tokenizer
from protos.errors import ConfigError
from protos.gen.v1 import inference_pb2 as pb
from tests.gateway.engine_link.hearing import nothing_is_left, until
from tests.gateway.grpc_face.served import CONTEXT_LIMIT, CREATED, Served, Streamed, serving
from tests.gateway.scripted_link import SERVING, ScriptedLink
from workers.engine.load import ServingState

QUICK = GrpcFaceSettings(readiness_s=0.01)
SERVES, SERVES_NOT = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
)


async def health_of(served: Served, service: str = SERVICE.full_name) -> object:
    stub = health_pb2_grpc.HealthStub(served.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))  # type: ignore[attr-defined]
    return answer.status


async def becomes(served: Served, status: object) -> None:
    async with asyncio.timeout(10):
        for service in ("", SERVICE.full_name):
            while await health_of(served, service) != status:
                await asyncio.sleep(0.01)


async def test_health_follows_the_engine(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, load=None)
    async with serving(link, tokenizer, settings=QUICK) as served:
        assert await health_of(served) == SERVES_NOT, "no engine is reached"
        link.load = SERVING
        await becomes(served, SERVES)
        link.load = replace(SERVING, state=ServingState.DRAINING)
        await becomes(served, SERVES_NOT)
        link.load = SERVING
        await becomes(served, SERVES)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_of(served, "expertmesh.training.v1.TrainingService")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    await nothing_is_left()


async def test_a_drain_lets_end_what_runs(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, lambda _, __: "abcdefgh<|return|>", pause_s=0.02)
    async with serving(link, tokenizer, settings=QUICK) as served:
        call = served.stub.Generate(pb.GenerateRequest(text="a", resumable=True))
        first = await call.read()
        draining = asyncio.create_task(served.face.drain(10))
        await becomes(served, SERVES_NOT)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Streamed.of(served.stub.Generate(pb.GenerateRequest(text="a")))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        resumed = served.stub.Resume(pb.ResumeRequest(request_id=first.request_id))
        assert (await Streamed.of(resumed)).text("text_delta") == "abcdefgh", "what runs can be resumed"
        assert (await Streamed.of(call)).ended.usage.output_tokens == 9
        assert await draining
        assert await health_of(served) == SERVES_NOT, "and stays so"


async def test_a_drain_that_takes_too_long_says_so(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer, stalls_after=1), tokenizer) as served:
        call = served.stub.Generate(pb.GenerateRequest(text="a"))
        await call.read()
        assert not await served.face.drain(0.05)


async def test_a_drain_waits_for_readers_that_are_slow(tokenizer: Tokenizer) -> None:
    """The engine has long said everything; the client has read one message of a window that is full."""
    text = "abcdefghij" * 6000
    link = ScriptedLink(tokenizer, lambda _, __: f"{text}<|return|>")
    narrow = (("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0))
    settings = CallSettings(max_unread=1 << 20)
    async with serving(link, tokenizer, calls=settings, channel_options=narrow) as served:
        server = GatewayServer(served.book, [served.face], [])
        call = served.stub.Generate(pb.GenerateRequest(text="a"))
        first = await call.read()
        await until(lambda: served.book.num_live == 0)
        draining = asyncio.create_task(server.drain(30.0))
        await asyncio.sleep(0.3)
        assert not draining.done(), "the reader has not been told everything"
        rest = await Streamed.of(call)
        said = [event.text_delta.text for event in first.events]
        assert "".join(said) + rest.text("text_delta") == text
        assert not rest.ended.HasField("failure")
        assert await draining == 0


async def test_a_reader_that_never_reads_does_not_hold_up_a_drain(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, lambda _, __: f"{'abcdefghij' * 6000}<|return|>")
    narrow = (("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0))
    settings = CallSettings(max_unread=1 << 20)
    async with serving(link, tokenizer, calls=settings, channel_options=narrow) as served:
        call = served.stub.Generate(pb.GenerateRequest(text="a"))
        await call.read()
        await until(lambda: served.book.num_live == 0)
        assert not await served.face.drain(0.05)
        call.cancel()
        assert await served.face.drain(10.0), "who has gone is not waited for"


async def test_closing_ends_everything(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, stalls_after=1)
    async with serving(link, tokenizer) as served:
        call = served.stub.Generate(pb.GenerateRequest(text="a"))
        await call.read()
        await served.face.aclose(0.0)
        with pytest.raises(grpc.aio.AioRpcError):
            await Streamed.of(call)
        await until(lambda: link.num_running == 0)
    await nothing_is_left()


async def test_a_port_that_is_taken(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer)
    async with serving(link, tokenizer) as served:
        model = ServedModel("paper", tokenizer, CONTEXT_LIMIT, CREATED)
        inference = Inference(link, model, CallBook())
        port = int(served.face.address.rpartition(":")[2])
        second = GrpcFace(inference, PolicyStore(lambda: CREATED), "127.0.0.1", port)
        with pytest.raises(ConfigError, match="is taken"):
            await second.start()
        await second.aclose()


async def buf_curl(*arguments: str) -> str:
    buf = str(Path(sys.executable).with_name("buf"))
    command = [buf, "curl", "--http2-prior-knowledge", "--protocol", "grpc", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


async def test_buf_curl_lists_and_calls_by_reflection(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, lambda _, __: "Hello.<|return|>")
    async with serving(link, tokenizer) as served:
        url = f"http://{served.face.address}"
        services = await buf_curl("--list-services", url)
        methods = await buf_curl("--list-methods", url)
        models = json.loads(await buf_curl(f"{url}/{SERVICE.full_name}/ListModels"))
        said = await buf_curl(
            "-d", '{"text": "Hi", "options": {"maxTokens": 3}}', f"{url}/{SERVICE.full_name}/Generate"
        )
    assert services.split() == [
        SERVICE.full_name,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
    assert {f"{SERVICE.full_name}/{method.name}" for method in SERVICE.methods} <= set(methods.split())
    assert models["models"] == [
        {
            "name": "gpt-oss-paper",
            "aliases": ["paper"],
            "contextLimit": CONTEXT_LIMIT,
            "vocabSize": tokenizer.vocab_size,
            "createdS": str(CREATED),
        }
    ]
    deltas = re.findall('"text": "(.*)"', said)
    assert "".join(deltas) == "Hel"
    assert '"finish": "FINISH_REASON_LENGTH"' in said
