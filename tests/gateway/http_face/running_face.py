"""An HTTP face on a free port, over an engine that a test has scripted; in the end nothing of it is left.

It serves what the face of production serves, the Responses API too.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.calls.call_book import CallBook
from gateway.calls.call_settings import CallSettings
from gateway.classify.policy_store import PolicyStore
from gateway.engine_link.link import EngineLink
from gateway.http_face.http_face import HttpFace
from gateway.http_face.responses.endpoints import response_endpoints
from gateway.http_face.settings import HttpSettings
from gateway.inference import Inference
from gateway.responses.memory_store import MemoryStore
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.responses import Responses
from gateway.served_model import ServedModel
from model.tokenizer import Tokenizer
from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from tests.gateway.engine_link.hearing import nothing_is_left, until
from tests.gateway.scripted_link import ScriptedLink

VOCAB_SIZE = 277
MODEL = "tiny"


@dataclass(slots=True)
class RunningFace:
    """`link` is what the test plays with."""

    face: HttpFace
    link: ScriptedLink
    inference: Inference
    store: MemoryStore

    @property
    def host(self) -> str:
        return self.face.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.face.address.rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"http://{self.face.address}"

    @property
    def tokenizer(self) -> Tokenizer:
        return self.inference.model.tokenizer


def byte_tokenizer(folder: Path) -> Tokenizer:
    write_byte_tokenizer(folder, VOCAB_SIZE)
    return Tokenizer.open(folder, VOCAB_SIZE)


def paper_policies() -> PolicyStore:
    """Kept nowhere, at a time that is known."""
    return PolicyStore(lambda: 1_700_000_007.0)


def inference_over(link: EngineLink, tokenizer: Tokenizer, calls: CallSettings | None = None) -> Inference:
    model = ServedModel(MODEL, tokenizer, 4096, created=1_700_000_000, aliases=("small/alias",))
    return Inference(link, model, CallBook(calls))


@asynccontextmanager
async def running_face(
    tokenizer: Tokenizer,
    settings: HttpSettings | None = None,
    calls: CallSettings | None = None,
    link: ScriptedLink | None = None,
    kept: ResponseSettings | None = None,
) -> AsyncGenerator[RunningFace, None]:
    """When it has ended, no call is live and no task is left."""
    link = link or ScriptedLink(tokenizer)
    inference = inference_over(link, tokenizer, calls)
    kept = kept or ResponseSettings()
    store = MemoryStore(kept, time.monotonic)
    responses = Responses(inference, store, kept)
    endpoints = response_endpoints(responses, inference.model)
    face = HttpFace(inference, paper_policies(), "127.0.0.1", 0, settings, endpoints)
    await face.start()
    try:
        yield RunningFace(face, link, inference, store)
    finally:
        await face.aclose()
        await inference.book.aclose()
        await responses.aclose()
    assert link.num_running == 0
    assert inference.book.num_live == 0
    await nothing_is_left()


async def quiet(running: RunningFace) -> None:
    """Until nothing is being served; connections may stay."""
    await until(lambda: running.face.num_running == 0 and running.link.num_running == 0)
    await until(lambda: running.inference.book.num_live == 0)
