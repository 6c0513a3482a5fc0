"""An engine on paper behind a link, in this process or at a worker, whose slow steps a test can count."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from gateway.engine_link.grpc_link import GrpcEngineLink
from gateway.engine_link.link import EngineLink
from tests.gateway.engine_here import engine_here
from tests.gateway.engine_link.hearing import until
from tests.workers.attention.paper_worker import PaperWorker
from tests.workers.engine.paper_engine import PaperEngine

STEP_S = 0.1
"""Far longer than it takes to tell the engine anything, so that counting steps is fair."""
NUM_PAGES = 400
PROMPT_VOCAB, OUTPUT_VOCAB = 300, 128
"""A prompt may hold any byte and mark; what is written has no mark, so it is an answer without an end."""


@dataclass
class Stepping:
    """A link, and what is known of the engine behind it."""

    link: EngineLink
    num_steps: Callable[[], int]
    num_free_pages: Callable[[], int]

    @classmethod
    def over(cls, link: EngineLink, paper: PaperEngine) -> "Stepping":
        return cls(link, lambda: paper.core.statistics.num_steps, lambda: paper.core.pool.num_free)


Mode = Callable[[], AbstractAsyncContextManager[Stepping]]


def _paper() -> PaperEngine:
    paper = PaperEngine(num_pages=NUM_PAGES, tokens_per_step=600, vocab_size=PROMPT_VOCAB)
    paper.model.vocab_size = OUTPUT_VOCAB
    return paper


@asynccontextmanager
async def in_this_process() -> AsyncIterator[Stepping]:
    paper = _paper()
    paper.model.step_s = STEP_S
    async with engine_here(paper.core, paper.admission) as link:
        yield Stepping.over(link, paper)


@asynccontextmanager
async def at_a_worker() -> AsyncIterator[Stepping]:
    worker = PaperWorker(paper=_paper())
    worker.step_s = STEP_S
    link = GrpcEngineLink(worker.server.address)
    link.start()
    await until(lambda: link.load is not None)
    yield Stepping.over(link, worker.paper)
    await link.aclose()
    await asyncio.to_thread(worker.shut_down)
