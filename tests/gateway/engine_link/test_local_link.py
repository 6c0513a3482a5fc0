"""The link to an engine of this process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager

import pytest

from gateway.engine_link.local_link import LocalEngineLink
from model.sampling.parameters import SamplingParameters
from protos.errors import DeadlineExpiredError, InvalidRequestError
from tests.gateway.engine_link.hearing import listen, until
from tests.workers.engine.paper_engine import PaperEngine
from workers.engine.door import Deliver
from workers.engine.engine import Engine
from workers.engine.request import GenerationRequest

GREEDY = SamplingParameters(temperature=0.0)


class Local:
    """A link, and the engine behind it."""

    def __init__(self) -> None:
        self.paper = PaperEngine(num_pages=200)
        self.link = LocalEngineLink(self._make)

    def _make(self, deliver: Deliver) -> Engine:
        self.engine = Engine(self.paper.core, self.paper.admission, max_waiting=50, deliver=deliver)
        return self.engine


@asynccontextmanager
async def local() -> AsyncIterator[Local]:
    made = Local()
    made.engine.start()
    yield made
    await asyncio.to_thread(made.engine.close)


def request(name: str, max_tokens: int | None = 7) -> GenerationRequest:
    return GenerationRequest(name, (1, 2, 3), GREEDY, max_tokens=max_tokens)


Case = Callable[[Local], Coroutine[None, None, None]]


async def many_at_once(made: Local) -> None:
    heard = await asyncio.gather(
        *(listen(made.link, request(f"{number}", 3 + number)) for number in range(6))
    )
    for number, each in enumerate(heard):
        assert each.token_ids == {0: made.paper.alone(request("one", 3 + number))}


async def a_refusal_raises(made: Local) -> None:
    with pytest.raises(InvalidRequestError, match="shorten the prompt or ask for fewer"):
        await listen(made.link, request("bad", 9_000))
    assert (await listen(made.link, request("bad"))).error is None


async def one_id_at_a_time(made: Local) -> None:
    async with aclosing(made.link.submit(request("same", None))) as events:
        await anext(events)
        with pytest.raises(InvalidRequestError, match="'same' is already here"):
            await listen(made.link, request("same"))
    await until(lambda: made.engine.num_requests == 0)
    assert (await listen(made.link, request("same"))).num_tokens == 7


async def closing_cancels(made: Local) -> None:
    async with aclosing(made.link.submit(request("long", None))) as events:
        await anext(events)
    await until(lambda: made.engine.num_requests == 0)
    assert made.paper.core.pool.num_free == 200


async def cancelling_the_task_cancels(made: Local) -> None:
    for pause_s in (0.0, 0.001, 0.02):  # also while it is being submitted
        task = asyncio.create_task(listen(made.link, request("long", None)))
        await asyncio.sleep(pause_s)
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: made.engine.num_requests == 0 and made.paper.core.pool.num_free == 200)
        await asyncio.sleep(0)


async def an_error_is_the_terminal_event(made: Local) -> None:
    late = GenerationRequest("late", (1, 2), GREEDY, timeout_s=5.0)
    made.paper.now = 1e9
    assert isinstance((await listen(made.link, late)).error, DeadlineExpiredError)


@pytest.mark.parametrize(
    "case",
    [
        many_at_once,
        a_refusal_raises,
        one_id_at_a_time,
        closing_cancels,
        cancelling_the_task_cancels,
        an_error_is_the_terminal_event,
    ],
    ids=lambda case: case.__name__.replace("_", " "),
)
def test_local_link(case: Case) -> None:
    async def run() -> None:
        async with local() as made:
            await case(made)

    asyncio.run(run())
