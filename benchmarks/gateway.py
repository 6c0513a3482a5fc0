"""What the gateway adds between engine and client: `python -m benchmarks.gateway [--quick] --json F`.

The engine answers at once. Streamed tokens per second through gRPC and through HTTP, one client process that
counts, against Ray Serve that streams the same tokens through its own HTTP and gRPC proxies, in turns on the
same cores. Ours once as it is, and once with a write for each token, which is not how it is meant to run.
What a first token takes, at one stream and at many at once; and the memory of an open stream.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from statistics import quantiles

from benchmarks.child_process import Child, child
from benchmarks.instant_gateway import STALL_MARK
from benchmarks.interleaving import interleaved_medians
from benchmarks.report import BenchmarkError, Row, compared, run
from benchmarks.stream_clients import Streamed, grpc_streams, http_streams, open_channel
from protos.gen.v1 import inference_pb2 as pb

GATEWAY = "benchmarks.instant_gateway"
FACES = ("gRPC", "HTTP")
NUM_STREAMS = 64
TOKENS_AT_FIRST = 2
LEAST_STREAMS = 100
"""A round has so many first tokens at least."""

GOAL = 3.0
CHAT_PATH = "/v1/chat/completions"
CHAT_METHOD = "/expertmesh.inference.v1.InferenceService/Chat"
NUM_OPEN = 512
OPEN_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Faces:
    """A process that streams tokens, and how to reach it."""

    process: Child
    http: str
    grpc: str

    def streamed(self, face: str, num_streams: int, num_tokens: int) -> Streamed:
        """So many streams at once, each to its end."""
        streamed = Streamed()
        asyncio.run(self.stream(face, num_streams, num_tokens, streamed))
        return streamed

    async def stream(self, face: str, num_streams: int, num_tokens: int, streamed: Streamed) -> None:
        if face == "HTTP":
            await http_streams(self.http, CHAT_PATH, http_body(num_tokens), num_streams, streamed)
            return
        async with open_channel(self.grpc) as channel:
            await grpc_streams(channel, CHAT_METHOD, grpc_request(num_tokens), num_streams, streamed)

    def resident_bytes(self) -> int:
        self.process.tell("memory")
        return int(self.process.hear())


def http_body(num_tokens: int) -> bytes:
    messages = [{"role": "user", "content": "Say something."}]
    body = {"model": "gpt-oss-20b", "messages": messages, "max_tokens": num_tokens, "stream": True}
    return json.dumps(body).encode()


def grpc_request(num_tokens: int) -> bytes:
    message = pb.Message(user=pb.UserMessage(text="Say something."))
    options = pb.GenerationOptions(max_tokens=num_tokens)
    return pb.ChatRequest(messages=[message], options=options).SerializeToString()


@contextmanager
def faces_of(module: str, *arguments: str) -> Iterator[Faces]:
    with child(module, arguments) as process:
        http, _, grpc = process.hear().partition(" ")
        yield Faces(process, http, grpc)


def measure(quick: bool) -> Sequence[Row]:
    check_peer()
    rounds, num_tokens = (1, 50) if quick else (7, 200)
    memory = [memory_of_a_stream(face) for face in FACES]
    with ExitStack() as stack:
        ours = stack.enter_context(faces_of(GATEWAY))
        single = stack.enter_context(faces_of(GATEWAY, "--each-token-alone"))
        peer = stack.enter_context(faces_of("benchmarks.serve_peer"))
        return [
            *(throughput(face, ours, peer, num_tokens, rounds, goal=GOAL) for face in FACES),
            *(throughput(face, single, peer, num_tokens, rounds, "each token alone") for face in FACES),
            *(
                row
                for num_streams in (1, 64, 512)
                for face in FACES
                for row in first_tokens(face, ours, peer, num_streams, 1 if quick else 3)
            ),
            *memory,
        ]


def check_peer() -> None:
    try:
        from ray import serve  # noqa: F401
    except ImportError as error:
        raise BenchmarkError(
            f"the peer is not installed ({error}); `make bench` installs the extra `peers`"
        ) from error


def throughput(
    face: str,
    ours: Faces,
    peer: Faces,
    num_tokens: int,
    num_rounds: int,
    how: str = "",
    goal: float | None = None,
) -> Row:
    speeds = interleaved_medians(
        {
            "ours": partial(tokens_per_s, ours, face, num_tokens),
            "peer": partial(tokens_per_s, peer, face, num_tokens),
        },
        num_rounds,
    )
    return compared(
        f"{face}, {NUM_STREAMS} streams of {num_tokens} tokens{how and ', '}{how}",
        "tokens/s",
        speeds["ours"],
        peer_name="Ray Serve",
        peer=speeds["peer"],
        higher_is_better=True,
        goal=goal,
    )


def tokens_per_s(faces: Faces, face: str, num_tokens: int) -> float:
    streamed = faces.streamed(face, NUM_STREAMS, num_tokens)
    if streamed.num_tokens != NUM_STREAMS * num_tokens:
        raise BenchmarkError(f"{streamed.num_tokens} tokens came over {face}: some are lost, or came twice")
    return streamed.num_tokens / streamed.seconds


def first_tokens(face: str, ours: Faces, peer: Faces, num_streams: int, num_rounds: int) -> list[Row]:
    """Half of all first tokens come within p50, all but one of a hundred within p99."""
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(num_rounds + 1):
        for name, faces in (("ours", ours), ("peer", peer)):
            for _ in range(LEAST_STREAMS // num_streams or 1):
                streamed = faces.streamed(face, num_streams, TOKENS_AT_FIRST)
                seconds[name] += streamed.first_token_s if number else []  # the first round is to warm up
    our_p, peer_p = (quantiles(each, n=100) for each in seconds.values())
    plural = "" if num_streams == 1 else "s"
    return [
        compared(
            f"first token, {face}, {num_streams} stream{plural} at once, p{percent}",
            "ms",
            our_p[percent - 1] * 1e3,
            peer_name="Ray Serve",
            peer=peer_p[percent - 1] * 1e3,
            higher_is_better=False,
        )
        for percent in (50, 99)
    ]


def memory_of_a_stream(face: str) -> Row:
    """What a fresh process grows by while many streams are open that have had their first token."""
    with faces_of(GATEWAY) as ours:
        ours.streamed(face, num_streams=8, num_tokens=TOKENS_AT_FIRST)  # what is loaded on first use stays
        before = ours.resident_bytes()
        grown = asyncio.run(held_open(ours, face)) - before
    return Row(f"memory of an open stream, {face}, of {NUM_OPEN}", "KB", grown / NUM_OPEN / 1e3)


async def held_open(ours: Faces, face: str) -> int:
    """-> bytes of the gateway meanwhile"""
    streamed = Streamed()
    opening = asyncio.create_task(ours.stream(face, NUM_OPEN, STALL_MARK, streamed))
    async with asyncio.timeout(OPEN_WITHIN_S):
        while len(streamed.first_token_s) < NUM_OPEN:
            await asyncio.sleep(0.01)
    num_bytes = ours.resident_bytes()
    opening.cancel()
    with suppress(asyncio.CancelledError):
        await opening
    return num_bytes


if __name__ == "__main__":
    sys.exit(run("gateway", ["grpcio", "starlette", "uvicorn", "httptools", "ray"], measure))
