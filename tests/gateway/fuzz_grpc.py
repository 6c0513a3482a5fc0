"""Throws random calls at a gRPC face: none may end in INTERNAL or UNKNOWN, and nothing may be left running.

`python -m tests.gateway.fuzz_grpc --inputs 10000 --seed 1` does it over a tiny model of random weights.
"""

import argparse
import asyncio
import gc
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor

from gateway.calls.call_settings import CallSettings
from gateway.classify.together import together
from gateway.engine_link.link import EngineLink
from gateway.grpc_face.inference_service import SERVICE
from gateway.grpc_face.settings import GrpcFaceSettings
from model.tokenizer.tokenizer import Tokenizer
from tests.gateway.engine_here import engine_here
from tests.gateway.engine_link.hearing import until
from tests.gateway.grpc_face.good_requests import GOOD_REQUESTS
from tests.gateway.grpc_face.random_messages import random_bytes
from tests.gateway.grpc_face.served import Served, serving

RawCall: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"

FORBIDDEN = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
CLIENT_FAULT = "Internal error from Core"
"""What grpc.aio says on the client's side when it writes to a call that has just ended."""
CALLS = CallSettings(resume_s=0.2, keep_ended_s=0.2, max_kept=20)
SETTINGS = GrpcFaceSettings(request_s=0.2)
IDS = ("", "a", "two words", "ü" * 3, "x" * 200)


class Fuzz:
    """`run`, then `codes` says how calls ended, by method and status."""

    def __init__(self, served: Served, seed: int) -> None:
        self._served = served
        self._draw = random.Random(seed)
        self.codes: Counter[tuple[str, str]] = Counter()

    async def run(self, num_inputs: int, at_once: int = 8) -> None:
        """Raises AssertionError with the input that had a forbidden answer."""
        left = iter(range(num_inputs))

        async def one_after_the_other() -> None:
            for _ in left:
                await self._one(self._draw.choice(SERVICE.methods))

        await together(one_after_the_other() for _ in range(at_once))

    async def _one(self, method: MethodDescriptor) -> None:
        draw = self._draw
        messages = [
            random_bytes(draw, GOOD_REQUESTS[method.name]) for _ in range(draw.choice((1, 1, 1, 1, 0, 2)))
        ]
        path = f"/{SERVICE.full_name}/{method.name}"
        call: RawCall = self._served.channel.stream_stream(path)(
            timeout=draw.choice((0.001, 0.05, 1.0, 1.0, 5.0)), metadata=self._metadata()
        )
        code = await _outcome(call, messages, gives_up_after=draw.choice((0, 1, 3, None, None, None)))
        is_own_fault = await call.details() == CLIENT_FAULT
        if code in FORBIDDEN and not is_own_fault:
            sent = [message.hex() for message in messages]
            raise AssertionError(f"{method.name} ended in {code} ({await call.details()}) for {sent}")
        self.codes[method.name, "(the client's own)" if is_own_fault else code.name] += 1

    def _metadata(self) -> list[tuple[str, str | bytes]]:
        draw = self._draw
        names = ("x-request-id", "idempotency-key", "authorization")
        said: list[tuple[str, str | bytes]] = [
            (name, draw.choice(IDS).encode("ascii", "ignore").decode())
            for name in names
            if draw.random() < 0.2
        ]
        return [*said, ("x-request-id-bin", draw.randbytes(5))] if draw.random() < 0.1 else said


async def _outcome(call: RawCall, messages: list[bytes], gives_up_after: int | None) -> grpc.StatusCode:
    """Of a client that may go after so many answers."""
    try:
        for message in messages:
            await call.write(message)
        await call.done_writing()
        num_read = 0
        while gives_up_after is None or num_read < gives_up_after:
            if not isinstance(await call.read(), bytes):
                break
            num_read += 1
        else:
            call.cancel()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.BaseError):
        pass  # its code says how it ended
    except asyncio.CancelledError:
        assert call.cancelled()
    return await call.code()


async def fuzz(served: Served, num_inputs: int, seed: int) -> Counter[tuple[str, str]]:
    """Everything is as it was, afterwards."""
    await Fuzz(served, seed).run(20)
    await _rest(served)
    num_tasks = len(asyncio.all_tasks())
    fuzzing = Fuzz(served, seed + 1)
    await fuzzing.run(num_inputs)
    await _rest(served)
    await until(lambda: len(asyncio.all_tasks()) <= num_tasks)
    return fuzzing.codes


async def _rest(served: Served) -> None:
    await until(lambda: served.book.num_live == 0)
    await asyncio.sleep(0.3)  # deadlines of calls without a message
    gc.collect()


@asynccontextmanager
async def tiny_model(folder: Path) -> AsyncIterator[tuple[EngineLink, Tokenizer]]:
    from tests.workers.engine.tiny_engine import (  # torch is wanted here alone
        SPOKEN,
        TinyEngine,
        load_deterministic,
        write_spoken_model,
    )

    write_spoken_model(folder)
    tokenizer = Tokenizer.open(folder, SPOKEN.vocab_size)
    tiny = TinyEngine(load_deterministic(folder), tokenizer, num_pages=80)
    async with engine_here(tiny.core, tiny.admission) as link:
        num_free = tiny.core.pool.num_free
        yield link, tokenizer
        await until(lambda: tiny.core.pool.num_free == num_free)  # no page is lost


async def main_of(num_inputs: int, seed: int) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            tiny_model(Path(folder)) as (link, tokenizer),
            serving(link, tokenizer, calls=CALLS, settings=SETTINGS) as served,
        ):
            codes = await fuzz(served, num_inputs, seed)
    for (method, code), number in sorted(codes.items()):
        print(f"{method:16} {code:20} {number:6}")
    print(f"{codes.total()} calls in {time.monotonic() - began:.0f} s, none INTERNAL or UNKNOWN, none left")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    asyncio.run(main_of(arguments.inputs, arguments.seed))
