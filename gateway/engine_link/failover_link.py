"""Several attention workers as one engine: each request goes to one, and on to another when that one is lost.

Where its prompt's beginning went lately, unless that worker is clearly busier than the least busy one.

What the client has been told is kept (`TokenLog`), and the next worker goes on behind it: the same tokens,
none twice. That holds because the seed is settled here, before the first worker sees the request, and a draw
depends on seed and position alone.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace

from gateway.engine_link.bell import Bell
from gateway.engine_link.course import Clock, Course, is_lost
from gateway.engine_link.link import WorkerLink
from gateway.engine_link.prefix_affinity import Beginning, PrefixAffinity
from gateway.engine_link.settings import FailoverSettings
from protos.errors import ExpertMeshError
from workers.engine.events import Event, RequestEnded
from workers.engine.load import EngineLoad, ServingState
from workers.engine.request import GenerationRequest
from workers.engine.token_log import TokenLog

logger = logging.getLogger(__name__)

OpenLink = Callable[[str, Callable[[], None]], WorkerLink]
"""Makes the link to an address; what it is given is called whenever the worker's load has changed."""


class FailoverLink:
    """`set_workers` whenever the mesh has changed, `submit`, `aclose`; all in one event loop."""

    def __init__(
        self,
        open_link: OpenLink,
        settings: FailoverSettings | None = None,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._open_link = open_link
        self._settings = settings or FailoverSettings()
        self._clock = clock
        self._bell = Bell()
        self._affinity = PrefixAffinity(self._settings.affinity_blocks)
        self._links: dict[str, WorkerLink] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self.num_failovers = 0

    @property
    def load(self) -> EngineLoad | None:
        """Of all that can be reached, together."""
        loads = [link.load for link in self._links.values() if link.load is not None]
        if not loads:
            return None
        is_serving = any(load.state is ServingState.SERVING for load in loads)
        return EngineLoad(
            sum(load.num_running for load in loads),
            sum(load.num_waiting for load in loads),
            sum(load.num_free_pages for load in loads),
            sum(load.num_pages for load in loads),
            ServingState.SERVING if is_serving else loads[0].state,
        )

    def set_workers(self, addresses: Collection[str]) -> None:
        """These from now on. One that is no longer named gets nothing new, and keeps what it has."""
        for address in sorted(set(addresses) - self._links.keys()):
            link = self._open_link(address, self._bell.ring)
            link.start()
            self._links[address] = link
        for address in self._links.keys() - set(addresses):
            task = asyncio.create_task(_see_off(self._links.pop(address)))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def aclose(self) -> None:
        """At once: what has not ended is cancelled."""
        for task in list(self._leaving):
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for link in self._links.values():
            await link.aclose()
        self._links.clear()

    async def submit(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        settled = replace(request, sampling=request.sampling.with_seed(secrets.randbits(63)))
        log, course = TokenLog(settled), Course(settled, self._settings, self._clock)
        beginning = Beginning.of(request.prompt, request.cache_salt)
        try:
            async with aclosing(self._carry(log, course, beginning)) as events:
                async for event in events:
                    log.note(event)
                    course.progress()
                    yield event
        except ExpertMeshError as error:
            if not log.has_begun:
                raise
            yield RequestEnded(request.request_id, log.usage(), error)

    async def _carry(
        self, log: TokenLog, course: Course, beginning: Beginning
    ) -> AsyncGenerator[Event, None]:
        """From worker to worker, to the terminal event; raises what no worker can mend."""
        while True:
            address, link = await self._worker_for(course, beginning)
            self._affinity.note(beginning, address)
            try:
                async with aclosing(link.submit(log.rest(course.time_left()))) as events:
                    async for event in events:
                        if (
                            isinstance(event, RequestEnded)
                            and event.error is not None
                            and is_lost(event.error)
                        ):
                            raise event.error
                        yield event
                return
            except ExpertMeshError as error:
                course.failed(address, error)
                self.num_failovers += log.has_begun
                logger.info("a request goes on elsewhere: %s", error)

    async def _worker_for(self, course: Course, beginning: Beginning) -> tuple[str, WorkerLink]:
        """One that has not just failed the request; waits for one as long as the course allows."""
        while True:
            fit = {
                address: busyness
                for address, link in self._links.items()
                if not course.has_just_failed(address) and (busyness := _busyness(link)) is not None
            }
            if fit:
                address = self._choose(fit, beginning)
                return address, self._links[address]
            await self._bell.wait(course.wait_s())

    def _choose(self, fit: Mapping[str, int], beginning: Beginning) -> str:
        """Of addresses with how busy each is: a sequence more is worth a block that need not be computed."""
        least_busy = min(fit, key=lambda address: (fit[address], address))
        nearest = self._affinity.nearest(beginning, fit)
        if nearest is None:
            return least_busy
        busier = fit[nearest.address] - fit[least_busy]
        is_worth_it = busier <= min(nearest.num_blocks, self._settings.most_busier)
        return nearest.address if is_worth_it else least_busy


def _busyness(link: WorkerLink) -> int | None:
    """The worker's last word, or what was sent there since, if that is more; None: it takes nothing."""
    load = link.load
    if load is None or load.state is not ServingState.SERVING:
        return None
    return max(load.num_sequences, link.num_live)


async def _see_off(link: WorkerLink) -> None:
    try:
        await link.wait_idle()
    finally:
        await link.aclose()
