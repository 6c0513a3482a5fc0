"""Inputs that nobody would send, thousands of them, over real sockets: no 5xx, no crash, nothing left behind.

    python -m tests.gateway.http_face.fuzz --inputs 10000 --seed 1

A seed gives the same inputs again. `test_fuzz` runs a few hundred.
"""

import argparse
import asyncio
import gc
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from gateway.http_face.settings import HttpSettings
from gateway.responses.response_settings import ResponseSettings
from model.tokenizer import Tokenizer
from tests.gateway.http_face.fuzzed_inputs import fuzzed_inputs
from tests.gateway.http_face.running_face import RunningFace, byte_tokenizer, quiet, running_face
from tests.gateway.http_face.wire import Answer, ask, wire_to

IN_FLIGHT = 8
PATIENT = HttpSettings(
    max_body_bytes=100_000, header_timeout_s=0.5, body_timeout_s=0.5, write_timeout_s=1.0, keep_alive_s=0.5
)
FEW = ResponseSettings(max_responses=10)  # so that they are all there after a tenth of the inputs


class Remains(NamedTuple):
    """What a face holds when all that it was sent has ended."""

    num_calls: int
    num_responses: int
    num_objects: int
    resident_mb: float

    @classmethod
    def of(cls, running: RunningFace) -> "Remains":
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return cls(
            running.inference.book.num_live, len(running.store), len(gc.get_objects()), resident / (1 << 20)
        )


class Fuzz:
    """`run` so many inputs against a face, then a good one; `statuses` tells of the former."""

    def __init__(self, running: RunningFace, chance: random.Random) -> None:
        self._running = running
        self._chance = chance
        self.statuses: Counter[str] = Counter()

    async def run(self, num_inputs: int) -> None:
        waiting = fuzzed_inputs(self._chance, num_inputs)
        await asyncio.gather(*(self._worker(waiting) for _ in range(IN_FLIGHT)))
        await quiet(self._running)
        assert (await ask(self._running.port, "GET", "/health")).status == 200
        kept = await ask(self._running.port, "POST", "/v1/responses", {"model": "tiny", "input": "Hi"})
        assert kept.status == 200, kept

    async def _worker(self, waiting: Iterator[bytes]) -> None:
        for data in waiting:
            self.statuses[await self._one(data, crc32(data) % 5)] += 1

    async def _one(self, data: bytes, manner: int) -> str:
        async with wire_to(self._running.port) as wire:
            try:
                await wire.send(data)
                if manner == 0:
                    return "left"
                if manner == 1:
                    wire.writer.write_eof()
                status, headers = await wire.head()
                if manner == 2:
                    return "left inside the answer"
                whole = data[:5] == b"HEAD "
                body = b"" if whole or status == 100 else await wire.body(headers)
            except (ConnectionError, asyncio.IncompleteReadError):
                return "closed"
            check(Answer(status, headers, body), data)
            return str(status)


def check(answer: Answer, data: bytes) -> None:
    assert answer.status < 500, (answer, data)
    if answer.status >= 400 and answer.body:
        assert answer.error["message"], data
    elif answer.headers.get("content-type", "").startswith("text/event-stream"):
        assert is_last_event(answer.events[-1]), (answer, data)


def is_last_event(event: Any) -> bool:
    """A stream of a response ends in an event of its own."""
    return event == "[DONE]" or event["type"] in ("response.completed", "response.incomplete")


async def fuzz(tokenizer: Tokenizer, num_inputs: int, seed: int) -> tuple[Counter[str], list[Remains]]:
    """-> what came back, and what was held at the first tenth of the inputs and at the end."""
    async with running_face(tokenizer, PATIENT, kept=FEW) as running:
        fuzzing = Fuzz(running, random.Random(seed))
        remains: list[Remains] = []
        for part in (num_inputs // 10, num_inputs - num_inputs // 10):
            await fuzzing.run(part)
            remains.append(Remains.of(running))
        return fuzzing.statuses, remains


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        statuses, remains = asyncio.run(fuzz(byte_tokenizer(Path(folder)), arguments.inputs, arguments.seed))
    print(f"{arguments.inputs} inputs in {time.perf_counter() - began:.0f} s: {dict(statuses.most_common())}")
    for when, held in zip(("after a tenth", "at the end"), remains, strict=True):
        print(f"{when}: {held}")


if __name__ == "__main__":
    main()
