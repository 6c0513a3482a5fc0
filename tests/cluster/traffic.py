"""Requests against a mesh, each held against what it gets alone, whatever a test does to the mesh."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from gateway.engine_link.failover_link import FailoverLink
from gateway.engine_link.grpc_link import GrpcEngineLink
from gateway.engine_link.settings import FailoverSettings
from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from tests.workers.engine.tiny_engine import alone, tokens
from workers.engine.events import ChoiceDelta, RequestEnded
from workers.engine.request import GenerationRequest, StopRules
from workers.membership.members import MeshTopology, WorkerKind, WorkerState

NEVER = StopRules(model_stops=False)
FAILOVER = FailoverSettings(max_attempts=50, patience_s=60.0)


@dataclass(slots=True)
class Told:
    """What came of one request."""

    request: GenerationRequest
    expected: list[int]
    output: list[int] = field(default_factory=list)
    ends: list[RequestEnded] = field(default_factory=list)

    @property
    def num_lost(self) -> int:
        """Tokens that never came, and one for an end that did not."""
        return max(0, len(self.expected) - len(self.output)) + (not self.ends)

    @property
    def num_repeated(self) -> int:
        return max(0, len(self.output) - len(self.expected)) + max(0, len(self.ends) - 1)

    @property
    def num_changed(self) -> int:
        pairs = zip(self.output, self.expected, strict=False)
        return sum(found != wanted for found, wanted in pairs) + any(end.error for end in self.ends)


@dataclass(frozen=True, slots=True)
class Toll:
    """Of all requests of a run."""

    num_requests: int
    num_tokens: int
    num_lost: int
    num_repeated: int
    num_changed: int
    longest_gap_s: float  # without a token of any request, while some were under way
    num_failovers: int
    errors: tuple[str, ...]

    @property
    def losses(self) -> tuple[int, int, int]:
        return self.num_lost, self.num_repeated, self.num_changed


def some_requests(model: LocalModel, count: int, *, max_tokens: int, seed: int = 0) -> list[Told]:
    """Half of them greedy, half drawn; prompts of different lengths; with what each gets alone."""
    told = []
    for number in range(count):
        sampling = SamplingParameters(temperature=0.9 * (number % 2), seed=1000 * seed + number)
        prompt = tokens(3 + 11 * number % 70, seed=100 * seed + number)
        request = GenerationRequest(
            f"{seed}-{number}", prompt, sampling, max_tokens=max_tokens - number % 5, stop=NEVER
        )
        told.append(Told(request, alone(model, request)))
    return told


class Traffic:
    """An event loop in a thread of its own, with a link to all attention workers that the topology names."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="traffic", daemon=True)
        self._thread.start()
        self._link = self._do(_open_link).result()
        self._last_token_at = time.monotonic()
        self._longest_gap_s = 0.0

    def hear(self, topology: MeshTopology) -> None:
        """For a TopologyWatch."""
        addresses = [
            worker.address
            for worker in topology.workers
            if worker.kind is WorkerKind.ATTENTION
            and worker.address is not None
            and worker.state in (WorkerState.SERVING, WorkerState.LOADING)
        ]
        self._loop.call_soon_threadsafe(self._link.set_workers, addresses)

    def begin(self, told: Sequence[Told], *, at_once: int) -> "Stream":
        """One request after the other, and from the beginning again, until it is told to end."""
        stream = Stream()
        stream.done = asyncio.run_coroutine_threadsafe(self._run(told, at_once, stream), self._loop)
        return stream

    def run(self, told: Sequence[Told], *, at_once: int, timeout_s: float) -> Toll:
        """Each once."""
        stream = Stream(num_requests=len(told))
        return asyncio.run_coroutine_threadsafe(self._run(told, at_once, stream), self._loop).result(
            timeout_s
        )

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._link.aclose(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, make: Callable[[], FailoverLink]) -> "Future[FailoverLink]":
        made: Future[FailoverLink] = Future()
        self._loop.call_soon_threadsafe(lambda: made.set_result(make()))
        return made

    async def _run(self, told: Sequence[Told], at_once: int, stream: "Stream") -> Toll:
        self._last_token_at, self._longest_gap_s = time.monotonic(), 0.0
        before = self._link.num_failovers
        begun: list[Told] = []
        await asyncio.gather(*(self._follow_some(told, begun, stream) for _ in range(at_once)))
        return _toll(begun, self._longest_gap_s, self._link.num_failovers - before)

    async def _follow_some(self, told: Sequence[Told], begun: list[Told], stream: "Stream") -> None:
        """One after the other, in turn with others who do the same."""
        while not stream.is_ending and (stream.num_requests is None or len(begun) < stream.num_requests):
            number = len(begun)
            pattern = told[number % len(told)]
            request = replace(pattern.request, request_id=f"{pattern.request.request_id}-{number}")
            begun.append(Told(request, pattern.expected))
            await self._follow(begun[number])

    async def _follow(self, told: Told) -> None:
        async with aclosing(self._link.submit(told.request)) as events:
            async for event in events:
                if isinstance(event, ChoiceDelta):
                    told.output += event.token_ids
                    now = time.monotonic()
                    self._longest_gap_s = max(self._longest_gap_s, now - self._last_token_at)
                    self._last_token_at = now
                elif isinstance(event, RequestEnded):
                    told.ends.append(event)


@dataclass(slots=True)
class Stream:
    """Requests that keep coming, or a number of them."""

    num_requests: int | None = None
    is_ending: bool = False
    done: "Future[Toll] | None" = None

    def finish(self, timeout_s: float) -> Toll:
        """No request begins any more; waits for those that have begun."""
        assert self.done is not None
        self.is_ending = True
        return self.done.result(timeout_s)


def _toll(told: Sequence[Told], longest_gap_s: float, num_failovers: int) -> Toll:
    return Toll(
        num_requests=len(told),
        num_tokens=sum(len(each.output) for each in told),
        num_lost=sum(each.num_lost for each in told),
        num_repeated=sum(each.num_repeated for each in told),
        num_changed=sum(each.num_changed for each in told),
        longest_gap_s=longest_gap_s,
        num_failovers=num_failovers,
        errors=tuple(str(end.error) for each in told for end in each.ends if end.error is not None),
    )


def _open_link() -> FailoverLink:
    return FailoverLink(lambda address, changed: GrpcEngineLink(address, changed=changed), FAILOVER)
