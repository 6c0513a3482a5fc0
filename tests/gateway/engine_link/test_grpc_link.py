"""The link to one attention worker, over a real connection."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager

import pytest

from gateway.engine_link.grpc_link import GrpcEngineLink
from gateway.engine_link.settings import LinkSettings
from model.sampling.parameters import SamplingParameters
from protos.errors import (
    AttentionUnreachableError,
    CapacityError,
    ConfigError,
    EngineStoppedError,
    InvalidRequestError,
)
from tests.gateway.engine_link.hearing import listen, nothing_is_left, until
from tests.workers.attention.paper_worker import PaperWorker
from workers.engine.request import GenerationRequest

GREEDY = SamplingParameters(temperature=0.0)


def request(name: str = "one", max_tokens: int | None = 7, num_choices: int = 1) -> GenerationRequest:
    return GenerationRequest(name, (1, 2, 3), GREEDY, max_tokens=max_tokens, num_choices=num_choices)


@asynccontextmanager
async def linked(worker: PaperWorker, settings: LinkSettings | None = None) -> AsyncIterator[GrpcEngineLink]:
    link = GrpcEngineLink(worker.server.address, settings=settings)
    link.start()
    await until(lambda: link.load is not None)
    yield link
    await link.aclose()


async def many_at_once(worker: PaperWorker) -> None:
    async with linked(worker) as link:
        heard = await asyncio.gather(*(listen(link, request("same", 3 + number)) for number in range(6)))
    for number, each in enumerate(heard):
        assert each.token_ids == {0: worker.paper.alone(request("one", 3 + number))}


async def a_refusal_raises(worker: PaperWorker) -> None:
    async with linked(worker) as link:
        with pytest.raises(InvalidRequestError, match="shorten the prompt or ask for fewer"):
            await listen(link, request(max_tokens=9_000))
        worker.may_step.clear()
        waiting = asyncio.create_task(listen(link, request(num_choices=15)))
        await until(lambda: worker.engine.num_requests == 1)
        with pytest.raises(CapacityError, match="at most 20 may wait") as caught:
            await listen(link, request(num_choices=15))
        assert caught.value.retry_after_s is not None
        worker.may_step.set()
        assert (await waiting).num_tokens == 15 * 7


async def what_is_too_large_is_refused_before_it_breaks_the_stream(worker: PaperWorker) -> None:
    async with linked(worker) as link:
        huge = GenerationRequest("huge", (1,), GREEDY, cache_salt=bytes(65 << 20))
        with pytest.raises(InvalidRequestError, match="at most 67108864 can be sent"):
            await listen(link, huge)
        assert (await listen(link, request())).num_tokens == 7


async def closing_cancels(worker: PaperWorker) -> None:
    async with linked(worker) as link:
        async with aclosing(link.submit(request(max_tokens=None))) as events:
            await anext(events)
            assert link.num_live == 1
        assert link.num_live == 0
        await until(lambda: worker.engine.num_requests == 0)
        assert worker.num_free_pages == 200


async def cancelling_the_task_cancels(worker: PaperWorker) -> None:
    async with linked(worker) as link:
        for pause_s in (0.0, 0.001, 0.02):
            task = asyncio.create_task(listen(link, request(max_tokens=None)))
            await asyncio.sleep(pause_s)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.wait_for(link.wait_idle(), 30)
        assert (await listen(link, request())).num_tokens == 7
        await until(lambda: worker.engine.num_requests == 0 and worker.num_free_pages == 200)


async def closing_the_link_ends_its_requests_on_both_sides(worker: PaperWorker) -> None:
    worker.step_s = 0.02
    async with linked(worker) as link:
        task = asyncio.create_task(listen(link, request(max_tokens=None)))
        await until(lambda: worker.engine.num_requests == 1)
    with pytest.raises(AttentionUnreachableError, match="the link was closed"):
        await task
    await until(lambda: worker.engine.num_requests == 0)


async def a_lost_worker_is_an_error_at_once(worker: PaperWorker) -> None:
    worker.may_step.clear()
    async with linked(worker) as link:
        task = asyncio.create_task(listen(link, request()))
        await until(lambda: worker.engine.num_requests == 1)
        await asyncio.to_thread(worker.server.stop)
        with pytest.raises(AttentionUnreachableError, match="is lost"):
            await task
        assert link.load is None
        with pytest.raises(AttentionUnreachableError, match="cannot be reached"):
            await listen(link, request())


async def an_engine_that_breaks_is_the_terminal_event(worker: PaperWorker) -> None:
    worker.fail_with = RuntimeError("the device is gone")
    async with linked(worker) as link:
        assert isinstance((await listen(link, request())).error, EngineStoppedError)


async def load_is_what_the_worker_says(worker: PaperWorker) -> None:
    async with linked(worker) as link:
        assert link.load is not None
        assert (link.load.num_pages, link.load.epoch) == (200, 7)
        worker.may_step.clear()
        task = asyncio.create_task(listen(link, request()))
        await until(lambda: link.load is not None and link.load.num_running == 1)
        worker.may_step.set()
        await task
        await until(lambda: link.load is not None and link.load.num_running == 0)


async def leaves_nothing(case: Coroutine[None, None, None]) -> None:
    await case
    await nothing_is_left()


Case = Callable[[PaperWorker], Coroutine[None, None, None]]


@pytest.mark.parametrize(
    "case",
    [
        many_at_once,
        a_refusal_raises,
        what_is_too_large_is_refused_before_it_breaks_the_stream,
        closing_cancels,
        cancelling_the_task_cancels,
        closing_the_link_ends_its_requests_on_both_sides,
        a_lost_worker_is_an_error_at_once,
        an_engine_that_breaks_is_the_terminal_event,
        load_is_what_the_worker_says,
    ],
    ids=lambda case: case.__name__.replace("_", " "),
)
def test_grpc_link(case: Case) -> None:
    worker = PaperWorker()
    try:
        asyncio.run(leaves_nothing(case(worker)))
    finally:
        worker.shut_down()


def test_a_worker_that_falls_silent_is_lost() -> None:
    """It says how busy it is every hour, so nothing is heard after the first word."""
    worker = PaperWorker(load_every_s=3600.0)
    worker.may_step.clear()

    async def run() -> None:
        async with linked(worker, LinkSettings(silence_s=0.3)) as link:
            with pytest.raises(AttentionUnreachableError, match=r"it has said nothing for 0\.3 s"):
                await listen(link, request())
            await until(lambda: link.load is not None)  # it attaches again

    try:
        asyncio.run(run())
    finally:
        worker.shut_down()


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="silence_s is 0; it must be above 0"):
        LinkSettings(silence_s=0)
