"""What the gateway adds between engine and client: `python -m benchmarks.gateway [--quick] --json F`.

The engine answers at once. Streamed tokens per second through gRPC and through HTTP, one client process that
counts, against Ray Serve that streams the same tokens through its own HTTP and gRPC proxies, in turns on the same
cores. What a first token takes, at one stream and at many at once; and the memory of an open stream.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import quantiles
from typing import Any

from benchmarks.child_process import Child, child
from benchmarks.instant_gateway import STALL_MARK
from benchmarks.interleaving import interleaved_medians
from benchmarks.report import BenchmarkError, Row, compared, run
from benchmarks.stream_clients import Streamed, grpc_streams, http_streams, open_channel
from protos.gen.v1 import inference_pb2 as pb

NUM_STREAMS, TOKENS_OF_STREAM = 64, 200
GOAL = 3.0
CHAT_PATH = "/v1/chat/completions"
CHAT_METHOD = "/expertmesh.inference.v1.InferenceService/Chat"
NUM_OPEN = 512


@dataclass(frozen=True, slots=True)
class Faces:
    """A process that streams tokens, and how to reach it."""

    process: Child
    http: str
    grpc: str

    def over_http(self, num_streams: int, num_tokens: int) -> Streamed:
        return asyncio.run(http_streams(self.http, CHAT_PATH, http_body(num_tokens), num_streams))

    def over_grpc(self, num_streams: int, num_tokens: int) -> Streamed:
        async def streamed() -> Streamed:
            async with open_channel(self.grpc) as channel:
                return await grpc_streams(channel, CHAT_METHOD, grpc_request(num_tokens), num_streams)

        return asyncio.run(streamed())


def http_body(num_tokens: int) -> bytes:
    messages = [{"role": "user", "content": "Say something."}]
    body = {"model": "gpt-oss-20b", "messages": messages, "max_tokens": num_tokens, "stream": True}
    return json.dumps(body).encode()


def grpc_request(num_tokens: int) -> bytes:
    message = pb.Message(user=pb.UserMessage(text="Say something."))
    options = pb.GenerationOptions(max_tokens=num_tokens)
    return pb.ChatRequest(messages=[message], options=options).SerializeToString()


@contextmanager
def faces_of(module: str) -> Iterator[Faces]:
    with child(module, []) as process:
        http, _, grpc = process.hear().partition(" ")
        yield Faces(process, http, grpc)


def measure(quick: bool) -> Sequence[Row]:
    check_peer()
    with ExitStack() as stack:
        ours = stack.enter_context(faces_of("benchmarks.instant_gateway"))
        memory = memory_of_a_stream(ours)
        peer = stack.enter_context(faces_of("benchmarks.serve_peer"))
        return [
            *throughput(ours, peer, num_rounds=2 if quick else 7),
            *first_tokens(ours, peer, num_rounds=2 if quick else 5),
            memory,
        ]


def check_peer() -> None:
    try:
        from ray import serve  # noqa: F401
    except ImportError as error:
        raise BenchmarkError(
            f"the peer is not installed ({error}); `make bench` installs the extra `peers`"
        ) from error


def throughput(ours: Faces, peer: Faces, num_rounds: int) -> list[Row]:
    rows = []
    for face in ("over_grpc", "over_http"):
        speeds = interleaved_medians(
            {
                name: partial(tokens_per_s, getattr(faces, face))
                for name, faces in (("ours", ours), ("peer", peer))
            },
            num_rounds,
        )
        rows.append(
            compared(
                f"streamed {face.replace('_', ' ')}, {NUM_STREAMS} streams of {TOKENS_OF_STREAM} tokens",
                "tokens/s",
                speeds["ours"],
                peer_name="Ray Serve",
                peer=speeds["peer"],
                higher_is_better=True,
                goal=GOAL,
            )
        )
    return rows


def tokens_per_s(streams: Callable[[int, int], Streamed]) -> float:
    streamed = streams(NUM_STREAMS, TOKENS_OF_STREAM)
    assert streamed.num_tokens == NUM_STREAMS * TOKENS_OF_STREAM, "no token is lost or comes twice"
    return streamed.tokens_per_s
