"""Responses over a scripted engine, and the same behind a real HTTP server, for tests.

`tests.gateway.scripted_link` says what the engine answers; each request may have an answer of its own.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from openai import AsyncOpenAI

from gateway.calls.call_settings import CallSettings
from gateway.http_face.http_face import HttpFace
from gateway.http_face.responses.endpoints import response_endpoints
from gateway.inference import Inference
from gateway.responses.memory_store import MemoryStore
from gateway.responses.response_request import ResponseRequest
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.responses import Responses
from tests.gateway.engine_link.hearing import nothing_is_left
from tests.gateway.http_face.running_face import byte_tokenizer, inference_over, paper_policies
from tests.gateway.responses.response_cases import FakeClock
from tests.gateway.scripted_link import ScriptedLink
from workers.engine.request import GenerationRequest


def thinking(reasoning: str, answer: str) -> str:
    return (
        f"<|channel|>analysis<|message|>{reasoning}<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{answer}<|return|>"
    )


def calling(reasoning: str, name: str, arguments: str) -> str:
    return (
        f"<|channel|>analysis<|message|>{reasoning}<|end|><|start|>assistant"
        f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{arguments}<|call|>"
    )


class Answers:
    """A script for `ScriptedLink`: the first request gets the first text, and so on; the last one stays."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(texts)
        self._given: dict[str, str] = {}

    def __call__(self, request: GenerationRequest, choice: int) -> str:  # noqa: ARG002
        if request.request_id not in self._given:
            self._given[request.request_id] = self._texts[min(len(self._given), len(self._texts) - 1)]
        return self._given[request.request_id]


@dataclass
class Gateway:
    """What a test may look at."""

    link: ScriptedLink
    store: MemoryStore
    responses: Responses
    inference: Inference
    clock: FakeClock

    def prompt(self, number: int) -> str:
        """What the engine was given at its `number`th request, control tokens by name."""
        names = {token_id: name for name, token_id in self.link.tokenizer.special_ids.items()}
        return "".join(
            names.get(token_id) or self.link.tokenizer.decode((token_id,))
            for token_id in self.link.requests[number].prompt
        )


@asynccontextmanager
async def running(
    *texts: str, settings: ResponseSettings | None = None, calls: CallSettings | None = None
) -> AsyncIterator[Gateway]:
    settings, clock = settings or ResponseSettings(), FakeClock()
    with TemporaryDirectory() as folder:
        tokenizer = byte_tokenizer(Path(folder))
    link = ScriptedLink(tokenizer, Answers(texts or (thinking("Hm.", "Yes."),)))
    inference = inference_over(link, tokenizer, calls)
    store = MemoryStore(settings, clock)
    responses = Responses(inference, store, settings, clock)
    try:
        yield Gateway(link, store, responses, inference, clock)
    finally:
        await inference.book.aclose()
        await responses.aclose()
    await nothing_is_left()


async def finished(gateway: Gateway, wanted: ResponseRequest) -> str:
    """-> the id of a response that has been made and read."""
    return (await (await gateway.responses.create(wanted)).finished()).response_id


@dataclass
class Served:
    gateway: Gateway
    face: HttpFace
    client: AsyncOpenAI

    @property
    def url(self) -> str:
        return f"http://{self.face.address}/v1"


@asynccontextmanager
async def served(
    *texts: str, settings: ResponseSettings | None = None, calls: CallSettings | None = None
) -> AsyncIterator[Served]:
    """Behind HTTP, on loopback, with the official client."""
    async with running(*texts, settings=settings, calls=calls) as gateway:
        endpoints = response_endpoints(gateway.responses, gateway.inference.model)
        face = HttpFace(gateway.inference, paper_policies(), "127.0.0.1", 0, more_endpoints=endpoints)
        await face.start()
        try:
            url = f"http://{face.address}/v1"
            async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=20.0) as client:
                yield Served(gateway, face, client)
        finally:
            await face.aclose()
