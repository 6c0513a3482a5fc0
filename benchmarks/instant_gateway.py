"""A gateway whose engine answers at once: a process for `benchmarks.gateway`.

    python -m benchmarks.instant_gateway [--each-token-alone]

Everything is real but the engine. It prints the addresses of both faces; to each line that it is told it
answers with the bytes of memory that it has in use. It ends when its input is closed.
"""

import asyncio
import math
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from benchmarks.stream_clients import TOKEN
from gateway.calls.call_book import CallBook
from gateway.calls.call_settings import CallSettings
from gateway.classify.policy_store import PolicyStore
from gateway.grpc_face.grpc_face import GrpcFace
from gateway.http_face.http_face import HttpFace
from gateway.inference import Inference
from gateway.served_model import ServedModel
from model.tokenizer.byte_tokenizer import Merge, write_byte_tokenizer
from model.tokenizer.tokenizer import Tokenizer
from workers.engine.events import ChoiceDelta, Event, FinishReason, RequestEnded, Usage
from workers.engine.load import EngineLoad, ServingState
from workers.engine.request import GenerationRequest

VOCAB_SIZE = 512
STALL_MARK = 999_983
"""Whoever asks for so many tokens gets one, and then nothing: an open stream that only costs memory."""

_HEADER = "<|channel|>final<|message|>"


class InstantLink:
    """An `EngineLink`: the next token is there whenever the event loop comes round."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.load = EngineLoad(0, 0, 1000, 1000, ServingState.SERVING)
        self._header = tuple(tokenizer.encode_with_specials(_HEADER))
        (self._token,) = tokenizer.encode(TOKEN)

    async def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        name, wanted = request.request_id, request.max_tokens or 1
        await asyncio.sleep(0)
        yield ChoiceDelta(name, 0, self._header, "final", ())
        for number in range(wanted):
            await asyncio.sleep(0)
            finish = FinishReason.LENGTH if number + 1 == wanted else None
            yield ChoiceDelta(name, 0, (self._token,), TOKEN, (), finish)
            if wanted == STALL_MARK:
                await asyncio.Event().wait()
        yield RequestEnded(name, Usage(len(request.prompt), 0, wanted, 0, 0, 0, 0.0, 0.0))


def merges_of(text: str) -> list[Merge]:
    """That make one token of it."""
    data = text.encode()
    return [(data[:length], data[length : length + 1]) for length in range(1, len(data))]


async def serve() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_byte_tokenizer(Path(folder), VOCAB_SIZE, merges_of(TOKEN))
        tokenizer = Tokenizer.open(Path(folder), VOCAB_SIZE)
    model = ServedModel("gpt-oss-20b", tokenizer, 1_000_000, int(time.time()))
    settings = CallSettings(writes_per_s=math.inf) if "--each-token-alone" in sys.argv else CallSettings()
    inference = Inference(InstantLink(tokenizer), model, CallBook(settings))
    policies = PolicyStore(time.time)
    http = HttpFace(inference, policies, "127.0.0.1", 0)
    grpc = GrpcFace(inference, policies, "127.0.0.1")
    await http.start()
    await grpc.start()
    print(http.address, grpc.address, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(resident_bytes(), flush=True)
    await inference.book.aclose()
    await http.aclose()
    await grpc.aclose()


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    asyncio.run(serve())
