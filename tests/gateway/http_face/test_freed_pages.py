"""A client that closes its connection: the engine's pages are free within two of its steps. In both modes."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.engine_link.link import EngineLink
from gateway.http_face.http_face import HttpFace
from gateway.http_face.responses.endpoints import response_endpoints
from gateway.responses.memory_store import MemoryStore
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.responses import Responses
from model.tokenizer import Tokenizer
from tests.gateway.engine_link.hearing import until
from tests.gateway.http_face.running_face import inference_over, paper_policies
from tests.gateway.http_face.wire import raw_request, wire_to
from tests.gateway.stepping_engine import NUM_PAGES, Mode, at_a_worker, in_this_process
from workers.engine.events import ChoiceDelta, Event
from workers.engine.load import EngineLoad
from workers.engine.request import GenerationRequest

MAX_STEPS = 2
TEXT = ("/v1/completions", {"model": "tiny", "prompt": [1, 2, 3, 4, 5, 6, 7], "max_tokens": 150})
CHAT = (
    "/v1/chat/completions",
    {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 150},
)
RESPONSE = ("/v1/responses", {"model": "tiny", "input": "Hi", "max_output_tokens": 150})
STREAMED = {"stream": True}


@dataclass
class SpokenLink:
    """An `EngineLink`. Tokens on paper have no text, and a stream says nothing that has none."""

    link: EngineLink

    @property
    def load(self) -> EngineLoad | None:
        return self.link.load

    async def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        async with aclosing(self.link.submit(request)) as events:
            async for event in events:
                if isinstance(event, ChoiceDelta):
                    yield event._replace(text="x" * len(event.token_ids))
                else:
                    yield event


@pytest.mark.parametrize("mode", [in_this_process, at_a_worker])
@pytest.mark.parametrize(
    ("to", "change"),
    [
        *((to, change) for to in (TEXT, CHAT, RESPONSE) for change in ({}, STREAMED)),
        *((to, {**STREAMED, "n": 3}) for to in (TEXT, CHAT)),
        (TEXT, {**STREAMED, "prompt": [[1, 2], [3]]}),
    ],
    ids=str,
)
async def test_pages_are_free_within_two_steps(
    tokenizer: Tokenizer, mode: Mode, to: tuple[str, dict[str, Any]], change: dict[str, Any]
) -> None:
    path, body = to
    async with mode() as engine:
        inference = inference_over(SpokenLink(engine.link), tokenizer)
        kept = ResponseSettings()
        responses = Responses(inference, MemoryStore(kept, time.monotonic), kept)
        endpoints = response_endpoints(responses, inference.model)
        face = HttpFace(inference, paper_policies(), "127.0.0.1", 0, more_endpoints=endpoints)
        await face.start()
        async with wire_to(int(face.address.rpartition(":")[2])) as wire:
            await wire.send(raw_request("POST", path, {**body, **change}))
            await until(lambda: engine.num_steps() > MAX_STEPS)
            if "stream" in change:
                await wire.head()
                await wire.chunk()
            assert inference.book.num_live == (2 if "prompt" in change else 1)
            assert engine.num_free_pages() < NUM_PAGES
        before = engine.num_steps()
        await until(lambda: engine.num_free_pages() == NUM_PAGES)
        assert engine.num_steps() - before <= MAX_STEPS
        await until(lambda: inference.book.num_live == 0)
        await face.aclose()
        await inference.book.aclose()
        await responses.aclose()
