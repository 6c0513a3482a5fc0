"""Who had the beginning of a prompt, and what that saves: tokens found in the caches of two paper workers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from gateway.engine_link.failover_link import FailoverLink
from gateway.engine_link.grpc_link import GrpcEngineLink
from gateway.engine_link.prefix_affinity import Beginning, Nearest, PrefixAffinity
from gateway.engine_link.settings import FailoverSettings
from model.sampling.parameters import SamplingParameters
from tests.gateway.engine_link.hearing import until
from tests.workers.attention.paper_worker import PaperWorker
from workers.engine.events import RequestEnded
from workers.engine.request import GenerationRequest

BLOCK = 128
WORKERS = ("a", "b", "c")


def prompt(*kinds: int) -> list[int]:
    """A block of each kind."""
    return [kind + index % 7 for kind in kinds for index in range(BLOCK)]


def beginning(*kinds: int, salt: bytes = b"", rest: int = 0) -> Beginning:
    return Beginning.of([*prompt(*kinds), *range(rest)], salt)


def test_the_longest_beginning_counts() -> None:
    affinity = PrefixAffinity(100)
    affinity.note(beginning(1, 2, 3), "a")
    affinity.note(beginning(1, 2, 4, 5), "b")
    assert affinity.nearest(beginning(1, 2, 3, 9), WORKERS) == Nearest("a", 3)
    assert affinity.nearest(beginning(1, 2, 4, 9, rest=50), WORKERS) == Nearest("b", 3)
    assert affinity.nearest(beginning(1, 2, 9), WORKERS) == Nearest("b", 2), "the later one of two"
    assert affinity.nearest(beginning(9, 1, 2), WORKERS) is None
    assert affinity.nearest(beginning(rest=BLOCK - 1), WORKERS) is None, "less than a block"


def test_only_workers_that_can_take_it_count() -> None:
    affinity = PrefixAffinity(100)
    affinity.note(beginning(1), "b")
    affinity.note(beginning(1, 2), "a")
    assert affinity.nearest(beginning(1, 2), ("b", "c")) is None
    affinity.note(beginning(1), "b")
    assert affinity.nearest(beginning(1, 2), ("b", "c")) == Nearest("b", 1)


def test_another_salt_is_another_beginning() -> None:
    affinity = PrefixAffinity(100)
    affinity.note(beginning(1, salt=b"one"), "a")
    assert affinity.nearest(beginning(1, salt=b"two"), WORKERS) is None
    assert affinity.nearest(beginning(1, salt=b"one"), WORKERS) == Nearest("a", 1)


def test_what_was_not_used_for_long_is_forgotten() -> None:
    affinity = PrefixAffinity(3)
    affinity.note(beginning(1), "a")
    affinity.note(beginning(2, 3), "b")
    affinity.note(beginning(1), "a")
    affinity.note(beginning(4), "c")
    assert affinity.nearest(beginning(2), WORKERS) is None
    assert affinity.nearest(beginning(1), WORKERS) == Nearest("a", 1)
    assert affinity.nearest(beginning(2, 3), WORKERS) == Nearest("b", 2)


def test_only_the_first_blocks_of_a_long_prompt_are_looked_at() -> None:
    assert len(beginning(*range(300)).digests) == 256


NUM_CONVERSATIONS, NUM_TURNS, TURN_TOKENS = 3, 4, 40
GREEDY = SamplingParameters(temperature=0.0)


class Pair:
    """Two workers behind a link; none steps before all that was asked is there."""

    def __init__(self, link: FailoverLink, links: list[GrpcEngineLink], workers: list[PaperWorker]) -> None:
        self.link = link
        self.links = links
        self.workers = workers

    @property
    def num_requests(self) -> list[int]:
        return [worker.engine.num_requests for worker in self.workers]

    async def ask(self, requests: Iterable[GenerationRequest]) -> tuple[list[int], int]:
        """One after the other; -> where they went, and how many tokens were found in caches."""
        await until(lambda: all(link.load and not link.load.num_sequences for link in self.links))
        for worker in self.workers:
            worker.may_step.clear()
        asked = []
        for request in requests:
            asked.append(asyncio.create_task(self._cached_tokens(request)))
            await until(lambda: sum(self.num_requests) == len(asked))
        spread = sorted(self.num_requests)
        for worker in self.workers:
            worker.let_go()
        return spread, sum(await asyncio.gather(*asked))

    async def _cached_tokens(self, request: GenerationRequest) -> int:
        async with aclosing(self.link.submit(request)) as events:
            async for event in events:
                if isinstance(event, RequestEnded):
                    return event.usage.cached_tokens
        raise AssertionError("there is a terminal event")


@asynccontextmanager
async def pair(settings: FailoverSettings) -> AsyncIterator[Pair]:
    workers = [PaperWorker(), PaperWorker()]
    links: list[GrpcEngineLink] = []

    def open_link(address: str, changed: Callable[[], None]) -> GrpcEngineLink:
        links.append(GrpcEngineLink(address, changed=changed))
        return links[-1]

    link = FailoverLink(open_link, settings)
    link.set_workers([worker.server.address for worker in workers])
    try:
        await until(lambda: len(links) == 2 and all(each.load is not None for each in links))
        yield Pair(link, links, workers)
        await link.aclose()
    finally:
        for worker in workers:
            worker.shut_down()


def turn_of(conversation: int, turn: int) -> GenerationRequest:
    tokens = tuple((conversation * 5 + index * index) % 29 for index in range(BLOCK + turn * TURN_TOKENS))
    return GenerationRequest(f"{turn}-{conversation}", tokens, GREEDY, max_tokens=2)


async def converse(settings: FailoverSettings) -> tuple[int, int]:
    """Conversations that grow, each time in another order; -> tokens computed before, and those found."""
    num_known = num_found = 0
    async with pair(settings) as workers:
        for turn in range(NUM_TURNS):
            order = [(turn + number) % NUM_CONVERSATIONS for number in range(NUM_CONVERSATIONS)]
            _, found = await workers.ask(turn_of(conversation, turn) for conversation in order)
            num_found += found
            num_known += NUM_CONVERSATIONS * (BLOCK + (turn - 1) * TURN_TOKENS) if turn else 0
    return num_known, num_found


def test_a_conversation_stays_where_its_beginning_is_cached() -> None:
    by_load_alone = FailoverSettings(affinity_blocks=1)
    num_known, num_found = asyncio.run(converse(FailoverSettings()))
    _, num_found_by_load = asyncio.run(converse(by_load_alone))
    assert num_found > 0.95 * num_known
    assert num_found_by_load < 0.8 * num_known  # some stay where they were by chance


@pytest.mark.parametrize(("most_busier", "spread"), [(8, [0, 4]), (2, [1, 3])])
def test_a_worker_that_is_clearly_busier_is_passed_over(most_busier: int, spread: list[int]) -> None:
    async def where_they_go() -> list[int]:
        same = GenerationRequest("0", tuple(prompt(1, 2, 3, 4)), GREEDY, max_tokens=2)
        async with pair(FailoverSettings(most_busier=most_busier)) as workers:
            went, _ = await workers.ask(replace(same, request_id=str(number)) for number in range(4))
        return went

    assert asyncio.run(where_they_go()) == spread
