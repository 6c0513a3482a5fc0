"""A client that closes its connection: the engine's pages are free within two of its steps."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.engine_link.local_link import LocalEngineLink
from gateway.http_face.http_face import HttpFace
from model.tokenizer import Tokenizer
from tests.gateway.engine_link.hearing import until
from tests.gateway.http_face.running_face import inference_over, paper_policies
from tests.gateway.http_face.wire import raw_request, wire_to
from tests.workers.engine.paper_engine import PaperEngine
from workers.engine.door import Deliver
from workers.engine.events import ChoiceDelta
from workers.engine.load import EngineLoad, ServingState
from workers.engine.request import GenerationRequest

NUM_PAGES = 200
MAX_STEPS = 2
ENDLESS = {"model": "tiny", "prompt": [1, 2, 3, 4, 5, 6, 7], "max_tokens": 150}


@dataclass(slots=True)
class SteppedEngine:
    """An EngineDoor whose steps are the test's, so that it can count them."""

    deliver: Deliver
    paper: PaperEngine = field(default_factory=lambda: PaperEngine(num_pages=NUM_PAGES))
    told: list[str] = field(default_factory=list)  # of cancelled requests

    @property
    def context_limit(self) -> int:
        return self.paper.admission.context_limit

    @property
    def load(self) -> EngineLoad:
        return EngineLoad(0, 0, NUM_PAGES, NUM_PAGES, ServingState.SERVING)

    @property
    def num_requests(self) -> int:
        return int(self.paper.core.has_work)

    def submit(self, request: GenerationRequest) -> None:
        self.paper.submit(request)

    def cancel(self, request_id: str) -> None:
        self.told.append(request_id)
        self.paper.core.cancel(request_id)

    def drain(self, timeout_s: float | None = None) -> bool:
        raise AssertionError(f"nobody drains it: {timeout_s}")

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        raise AssertionError(f"nobody waits for it: {timeout_s}")

    def step(self) -> None:
        """Tokens on paper have no text, and a stream says nothing that has none."""
        events = self.paper.step()
        self.deliver([each._replace(text="x") if isinstance(each, ChoiceDelta) else each for each in events])


@pytest.mark.parametrize(
    "change",
    [{"stream": True}, {"stream": True, "n": 3}, {}, {"stream": True, "prompt": [[1, 2], [3]]}],
    ids=str,
)
def test_pages_are_free_within_two_steps(change: dict[str, Any], tokenizer: Tokenizer) -> None:
    async def run() -> int:
        engines: list[SteppedEngine] = []

        def make(deliver: Deliver) -> SteppedEngine:
            engines.append(SteppedEngine(deliver))
            return engines[0]

        inference = inference_over(LocalEngineLink(make), tokenizer)
        engine = engines[0]
        face = HttpFace(inference, paper_policies(), "127.0.0.1", 0)
        await face.start()
        async with wire_to(int(face.address.rpartition(":")[2])) as wire:
            await wire.send(raw_request("POST", "/v1/completions", {**ENDLESS, **change}))
            num_calls = 2 if isinstance(change.get("prompt", [0])[0], list) else 1
            await until(lambda: inference.book.num_live == num_calls and engine.paper.core.has_work)
            for _ in range(9):
                await asyncio.sleep(0.01)
                engine.step()
            if "stream" in change:
                await wire.head()
        assert engine.paper.core.pool.num_free < NUM_PAGES
        await until(lambda: len(engine.told) == num_calls)  # without any step of the engine
        num_steps = 0
        while engine.paper.core.pool.num_free < NUM_PAGES:
            engine.step()
            num_steps += 1
            assert num_steps <= MAX_STEPS
        await face.aclose()
        await inference.book.aclose()
        return num_steps

    assert asyncio.run(run()) <= MAX_STEPS
