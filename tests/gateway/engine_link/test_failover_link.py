"""Several workers on paper behind one link: which is chosen, and what happens when it is full, or is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from gateway.engine_link.failover_link import FailoverLink
from gateway.engine_link.grpc_link import GrpcEngineLink
from gateway.engine_link.settings import FailoverSettings
from model.sampling.parameters import SamplingParameters
from protos.errors import (
    AttentionUnreachableError,
    CapacityError,
    DeadlineExpiredError,
    InvalidRequestError,
)
from tests.gateway.engine_link.hearing import Heard, listen, nothing_is_left, until
from tests.workers.attention.paper_worker import PaperWorker
from workers.engine.load import ServingState
from workers.engine.request import GenerationRequest

GREEDY = SamplingParameters(temperature=0.0)
FEW = 6
SETTINGS = FailoverSettings(max_attempts=4, patience_s=1.0, retry_s=0.05)


class Mesh:
    """Two workers, and the link to both."""

    def __init__(self) -> None:
        self.workers = [PaperWorker(), PaperWorker()]
        self.links: dict[str, GrpcEngineLink] = {}

    @property
    def addresses(self) -> list[str]:
        return [worker.server.address for worker in self.workers]

    def open_link(self, address: str, changed: Callable[[], None]) -> GrpcEngineLink:
        self.links[address] = GrpcEngineLink(address, changed=changed)
        return self.links[address]

    def hold(self, num_steps: int = 0) -> None:
        """Each worker waits after so many steps."""
        for worker in self.workers:
            worker.steps_left = num_steps

    def let_go(self) -> None:
        for worker in self.workers:
            worker.let_go()

    async def told_in_part(self, heard: Heard) -> None:
        """A few tokens were told, and no more will be before `let_go`."""
        await until(lambda: heard.num_tokens == FEW)

    @property
    def busy(self) -> PaperWorker:
        """The one that has requests."""
        (worker,) = (each for each in self.workers if each.engine.num_requests)
        return worker

    @asynccontextmanager
    async def link(self, settings: FailoverSettings = SETTINGS) -> AsyncIterator[FailoverLink]:
        link = FailoverLink(self.open_link, settings)
        link.set_workers(self.addresses)
        await until(lambda: all(each.load is not None for each in self.links.values()))
        yield link
        await link.aclose()
        await nothing_is_left()


def request(name: str = "one", **wishes: object) -> GenerationRequest:
    made = GenerationRequest(name, (1, 2, 3), GREEDY, max_tokens=300)
    return replace(made, **wishes)  # type: ignore[arg-type]


async def requests_are_spread(mesh: Mesh) -> None:
    mesh.hold()
    async with mesh.link() as link:
        tasks = [asyncio.create_task(listen(link, request(f"{number}"))) for number in range(6)]
        await until(lambda: [worker.engine.num_requests for worker in mesh.workers] == [3, 3])
        mesh.let_go()
        for heard in await asyncio.gather(*tasks):
            assert heard.token_ids == {0: mesh.workers[0].paper.alone(request())}
        assert link.num_failovers == 0


async def a_worker_that_is_lost_is_replaced(mesh: Mesh) -> None:
    mesh.hold(FEW)
    async with mesh.link() as link:
        heard = Heard()
        task = asyncio.create_task(listen(link, request(max_tokens=90), heard))
        await mesh.told_in_part(heard)
        await asyncio.to_thread(mesh.busy.server.stop)
        mesh.let_go()
        await task
        assert heard.token_ids == {0: mesh.workers[0].paper.alone(request(max_tokens=90))}
        assert (heard.num_output, heard.error) == (90, None)
        assert link.num_failovers == 1


async def an_engine_that_breaks_is_replaced(mesh: Mesh) -> None:
    mesh.hold(FEW)
    async with mesh.link() as link:
        heard = Heard()
        task = asyncio.create_task(listen(link, request(max_tokens=90), heard))
        await mesh.told_in_part(heard)
        mesh.busy.fail_with = RuntimeError("the device is gone")
        mesh.let_go()
        await task
        assert heard.token_ids == {0: mesh.workers[0].paper.alone(request(max_tokens=90))}
        await until(
            lambda: (
                {each.load.state for each in mesh.links.values() if each.load}
                == set(ServingState) - {ServingState.DRAINING}
            )
        )


async def a_worker_that_drains_gets_nothing_new(mesh: Mesh) -> None:
    async with mesh.link() as link:
        mesh.workers[0].engine.drain(0.0)  # the link does not know yet
        heard = await asyncio.gather(
            *(listen(link, request(f"{number}", max_tokens=5)) for number in range(4))
        )
        assert {each.num_tokens for each in heard} == {5}
        assert mesh.workers[0].paper.core.statistics.num_requests == 0


async def a_full_worker_sends_it_to_the_next_and_two_full_ones_refuse(mesh: Mesh) -> None:
    mesh.hold()
    async with mesh.link() as link:
        wide = request(num_choices=20, max_tokens=3)
        tasks = [
            asyncio.create_task(listen(link, replace(wide, request_id=f"{number}"))) for number in range(2)
        ]
        await until(lambda: [worker.engine.num_requests for worker in mesh.workers] == [1, 1])
        with pytest.raises(CapacityError, match="at most 20 may wait"):
            await listen(link, replace(wide, request_id="late"))
        mesh.let_go()
        assert {each.num_tokens for each in await asyncio.gather(*tasks)} == {60}


async def what_no_worker_can_mend_is_raised_at_once(mesh: Mesh) -> None:
    async with mesh.link() as link:
        with pytest.raises(InvalidRequestError, match="shorten the prompt"):
            await listen(link, request(max_tokens=9_000))


async def without_any_worker_patience_ends(mesh: Mesh) -> None:
    async with mesh.link() as link:
        link.set_workers([])
        assert link.load is None
        with pytest.raises(
            AttentionUnreachableError, match="no attention worker could be reached within 1 s"
        ):
            await listen(link, request())


async def a_request_that_has_begun_ends_in_one_terminal_error(mesh: Mesh) -> None:
    mesh.hold(FEW)
    async with mesh.link() as link:
        heard = Heard()
        task = asyncio.create_task(listen(link, request(max_tokens=90), heard))
        await mesh.told_in_part(heard)
        link.set_workers([mesh.busy.server.address])
        await asyncio.to_thread(mesh.busy.server.stop)
        mesh.let_go()
        await task
        assert isinstance(heard.error, AttentionUnreachableError)
        assert heard.num_output == heard.num_tokens == FEW


async def its_time_goes_on_while_it_waits(mesh: Mesh) -> None:
    mesh.hold(FEW)
    async with mesh.link() as link:
        heard = Heard()
        task = asyncio.create_task(listen(link, request(max_tokens=90, timeout_s=0.8), heard))
        await mesh.told_in_part(heard)
        link.set_workers([mesh.busy.server.address])
        await asyncio.to_thread(mesh.busy.server.stop)
        mesh.let_go()
        await task
        assert isinstance(heard.error, DeadlineExpiredError)


async def a_new_worker_takes_over_what_the_last_one_left(mesh: Mesh) -> None:
    mesh.hold(FEW)
    async with mesh.link() as link:
        first, second = mesh.workers
        link.set_workers([first.server.address])
        heard = Heard()
        task = asyncio.create_task(listen(link, request(max_tokens=90), heard))
        await mesh.told_in_part(heard)
        await asyncio.to_thread(first.server.stop)
        link.set_workers([second.server.address])
        mesh.let_go()
        await task
        assert heard.token_ids == {0: first.paper.alone(request(max_tokens=90))}


async def a_worker_that_is_no_longer_named_finishes_what_it_has(mesh: Mesh) -> None:
    mesh.hold(FEW)
    async with mesh.link() as link:
        heard = Heard()
        task = asyncio.create_task(listen(link, request(max_tokens=90), heard))
        await mesh.told_in_part(heard)
        leaving = mesh.busy
        link.set_workers([each for each in mesh.addresses if each != leaving.server.address])
        mesh.let_go()
        await task
        assert heard.num_tokens == 90
        assert link.num_failovers == 0
        await until(lambda: leaving.switchboard.num_open == 0)
        await listen(link, request("next", max_tokens=2))
        assert leaving.paper.core.statistics.num_requests == 1


async def closing_cancels_at_the_worker(mesh: Mesh) -> None:
    async with mesh.link() as link:
        async with aclosing(link.submit(request(max_tokens=None))) as events:
            await anext(events)
        await until(lambda: all(worker.engine.num_requests == 0 for worker in mesh.workers))
        assert {worker.num_free_pages for worker in mesh.workers} == {200}


async def the_seed_is_settled_before_the_first_worker_sees_it(mesh: Mesh) -> None:
    """Otherwise the second worker would draw another, and the answer would change its mind."""
    mesh.hold(FEW)
    async with mesh.link() as link:
        heard = Heard()
        task = asyncio.create_task(listen(link, request(sampling=SamplingParameters(), max_tokens=90), heard))
        await mesh.told_in_part(heard)
        before = mesh.busy
        (sequence,) = before.paper.core.sequences
        seed = before.paper.core._owners[sequence][1].request.sampling.seed
        assert seed is not None
        await asyncio.to_thread(before.server.stop)
        mesh.let_go()
        await task
        whole = request(sampling=SamplingParameters(seed=seed), max_tokens=90)
        assert heard.token_ids == {0: before.paper.alone(whole)}


async def the_load_is_that_of_all_together(mesh: Mesh) -> None:
    async with mesh.link() as link:
        assert link.load is not None
        assert (link.load.num_pages, link.load.num_free_pages) == (400, 400)
        assert link.load.state is ServingState.SERVING


Case = Callable[[Mesh], Coroutine[None, None, None]]
CASES = [
    requests_are_spread,
    a_worker_that_is_lost_is_replaced,
    an_engine_that_breaks_is_replaced,
    a_worker_that_drains_gets_nothing_new,
    a_full_worker_sends_it_to_the_next_and_two_full_ones_refuse,
    what_no_worker_can_mend_is_raised_at_once,
    without_any_worker_patience_ends,
    a_request_that_has_begun_ends_in_one_terminal_error,
    its_time_goes_on_while_it_waits,
    a_new_worker_takes_over_what_the_last_one_left,
    a_worker_that_is_no_longer_named_finishes_what_it_has,
    closing_cancels_at_the_worker,
    the_seed_is_settled_before_the_first_worker_sees_it,
    the_load_is_that_of_all_together,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
def test_failover_link(case: Case) -> None:
    mesh = Mesh()
    try:
        asyncio.run(case(mesh))
    finally:
        for worker in mesh.workers:
            worker.shut_down()
