"""What the token router adds to gRPC: `python -m benchmarks.router [--quick] --json F`.

Round trip: a dispatch (plan, pack, send, reply, combine) to experts that return at once, in another process,
against a bare gRPC stream that carries as many bytes there and back, in turns. Throughput by tokens and
by expert workers. What exact combine costs over reduced, in bytes and in time. Rows are those of gpt-oss-20b:
2880 values in bfloat16, 4 of 32 experts a token.
"""

import queue
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import grpc
import torch

from benchmarks.child_process import child
from benchmarks.instant_experts import ECHO, HIDDEN, MAX_FRAME_BYTES
from benchmarks.interleaving import interleaved_medians
from benchmarks.report import Row, compared, run
from kernels.route import Routing
from router.channel import open_channel
from router.dispatch_frames import CombineMode
from router.exchange import Exchange, ExchangeSettings
from router.placement import Placement
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology

NUM_EXPERTS, TOP_K = 32, 4
GOAL = 1 / 1.5


def measure(quick: bool) -> Sequence[Row]:
    torch.set_num_threads(1)
    rounds = 4 if quick else 20
    rows: list[Row] = []
    with mesh_of(1) as mesh:
        for num_tokens in (1, 16, 128, 512):
            rows += round_trip(mesh, num_tokens, rounds)
    for num_workers in (1, 2, 4):
        with mesh_of(num_workers) as mesh:
            rows += throughput(mesh, num_workers, rounds)
            if num_workers == 4:
                rows += exact_over_reduced(mesh, rounds)
    return rows


class Mesh:
    """An exchange with workers that answer at once, and an echo in the process of the first of them."""

    def __init__(self, addresses: Sequence[str]) -> None:
        names = [f"expert-{number}" for number in range(len(addresses))]
        held = {name: {0: tuple(range(number, NUM_EXPERTS, len(names)))} for number, name in enumerate(names)}
        placement = Placement.of(1, held, num_layers=1, num_experts=NUM_EXPERTS)
        self._exchange = Exchange(ExchangeSettings(hedge=None), model="instant")
        self._exchange.update(Topology(placement, dict(zip(names, addresses, strict=True))))
        self._channel = open_channel(addresses[0], MAX_FRAME_BYTES)
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        stub: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(ECHO)
        self._answers = stub(iter(self._outgoing.get, None))

    def dispatching(self, num_tokens: int, mode: CombineMode = CombineMode.EXACT) -> Callable[[], object]:
        """-> one dispatch of so many tokens"""
        generator = torch.Generator().manual_seed(num_tokens)
        ids = [torch.randperm(NUM_EXPERTS, generator=generator)[:TOP_K] for _ in range(num_tokens)]
        routing = Routing(torch.stack(ids), torch.full((num_tokens, TOP_K), 1 / TOP_K))
        x = torch.randn(num_tokens, HIDDEN, generator=generator).bfloat16()
        return partial(
            RemoteExperts(self._exchange, "attention-0", RemoteExpertsSettings(mode)), 0, x, routing
        )

    def num_bytes(self, dispatch: Callable[[], object]) -> tuple[int, int]:
        """Of one dispatch, there and back."""
        dispatch()  # the first also opens the streams
        statistics = self._exchange.statistics
        before = statistics.bytes_sent, statistics.bytes_received
        dispatch()
        return statistics.bytes_sent - before[0], statistics.bytes_received - before[1]

    def echoing(self, there: int, back: int) -> Callable[[], object]:
        message = back.to_bytes(8, "little") + bytes(there - 8)

        def echo() -> None:
            self._outgoing.put(message)
            assert len(next(self._answers)) == back

        return echo

    def close(self) -> None:
        self._outgoing.put(None)
        self._channel.close()
        self._exchange.close()


@contextmanager
def mesh_of(num_workers: int) -> Iterator[Mesh]:
    with ExitStack() as stack:
        workers = [
            stack.enter_context(child("benchmarks.instant_experts", [f"expert-{number}"], threads=1))
            for number in range(num_workers)
        ]
        mesh = Mesh([worker.hear() for worker in workers])
        stack.callback(mesh.close)
        yield mesh


def seconds_each(work: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times


def round_trip(mesh: Mesh, num_tokens: int, rounds: int) -> list[Row]:
    dispatch = mesh.dispatching(num_tokens)
    there, back = mesh.num_bytes(dispatch)
    times = max(5, 100 // num_tokens)
    works = {"ours": dispatch, "echo": mesh.echoing(there, back)}
    seconds = interleaved_medians(
        {name: partial(seconds_each, work, times) for name, work in works.items()}, rounds
    )
    name = size_of(num_tokens, 1)
    goal = GOAL if num_tokens <= 16 else None
    return [
        compared(
            f"round trip, {name}",
            "us",
            seconds["ours"] * 1e6,
            peer_name="bare gRPC",
            peer=seconds["echo"] * 1e6,
            higher_is_better=False,
            goal=goal,
        ),
        *rates(name, there + back, seconds["ours"]),
    ]


def size_of(num_tokens: int, num_workers: int) -> str:
    tokens, workers = ("" if count == 1 else "s" for count in (num_tokens, num_workers))
    return f"{num_tokens} token{tokens}, {num_workers} worker{workers}"


def rates(name: str, num_bytes: int, seconds: float) -> list[Row]:
    return [
        Row(f"dispatches, {name}", "/s", 1 / seconds),
        Row(f"bytes both ways, {name}", "MB/s", num_bytes / seconds / 1e6),
    ]


def throughput(mesh: Mesh, num_workers: int, rounds: int) -> list[Row]:
    rows = []
    for num_tokens in (16, 128):
        dispatch = mesh.dispatching(num_tokens)
        num_bytes = sum(mesh.num_bytes(dispatch))
        medians = interleaved_medians({"ours": partial(seconds_each, dispatch, 10)}, rounds)
        rows += rates(size_of(num_tokens, num_workers), num_bytes, medians["ours"])
    return rows


def exact_over_reduced(mesh: Mesh, rounds: int) -> list[Row]:
    rows = []
    for num_tokens in (1, 16, 128):
        works = {mode: mesh.dispatching(num_tokens, mode) for mode in CombineMode}
        num_bytes = {mode: sum(mesh.num_bytes(work)) for mode, work in works.items()}
        seconds = interleaved_medians(
            {mode.name: partial(seconds_each, work, 10) for mode, work in works.items()}, rounds
        )
        for unit, exact, reduced in (
            ("KB", num_bytes[CombineMode.EXACT] / 1e3, num_bytes[CombineMode.REDUCED] / 1e3),
            ("us", seconds["EXACT"] * 1e6, seconds["REDUCED"] * 1e6),
        ):
            rows.append(
                compared(
                    f"exact, {size_of(num_tokens, 4)}",
                    unit,
                    exact,
                    peer_name="reduced",
                    peer=reduced,
                    higher_is_better=False,
                )
            )
    return rows


if __name__ == "__main__":
    sys.exit(run("router", ["torch", "grpcio", "numpy"], measure))
