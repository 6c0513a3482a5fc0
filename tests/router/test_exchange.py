"""The exchange with real streams to workers that misbehave: the same bits as ever, or an error in words."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kernels.group import Assignments
from kernels.route import Routing
from protos.errors import ExpertsUnreachableError, WorkerMismatchError
from router.dispatch_frames import CombineMode, Dispatch, RefusalReason
from router.exchange import Exchange, ExchangeSettings
from router.hedging import HedgeSettings
from router.placement import Placement
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology
from tests.router.scripted_worker import (
    HIDDEN,
    MAX_FRAME_BYTES,
    PATIENCE_S,
    Answers,
    Behaviour,
    ScriptedWorker,
    breaks,
    expert_rows,
    honest,
    hung,
    refuses,
    replace_hello,
    reply_to,
    wait_for,
)

NUM_LAYERS, NUM_EXPERTS, NUM_TOKENS, TOP_K = 2, 7, 6, 3
ALL = tuple(range(NUM_EXPERTS))
SETTINGS = ExchangeSettings(
    frame_deadline_s=10.0, recovery_s=PATIENCE_S, max_frame_bytes=MAX_FRAME_BYTES, hedge=None
)


class Mesh:
    """Scripted workers, and an exchange that knows them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.workers: dict[str, ScriptedWorker] = {}
        self.epoch = 0

    def add(self, name: str, **options: object) -> ScriptedWorker:
        worker = self.workers[name] = ScriptedWorker(name, **options)  # type: ignore[arg-type]
        self._stack.callback(worker.stop)
        return worker

    def topology(self, held: Mapping[str, Sequence[int]], epoch: int | None = None) -> Topology:
        self.epoch = self.epoch + 1 if epoch is None else epoch
        layers = {
            worker: dict.fromkeys(range(NUM_LAYERS), tuple(experts)) for worker, experts in held.items()
        }
        placement = Placement.of(self.epoch, layers, num_layers=NUM_LAYERS, num_experts=NUM_EXPERTS)
        return Topology(
            placement, {name: self.workers[name].address for name in held if name in self.workers}
        )

    def exchange(
        self,
        held: Mapping[str, Sequence[int]] | None,
        settings: ExchangeSettings = SETTINGS,
        local: str | None = None,
    ) -> Exchange:
        exchange = Exchange(settings, model="model", arithmetic="arithmetic", local=local)
        self._stack.callback(exchange.close)
        if held is not None:
            exchange.update(self.topology(held))
            reachable = {name for name in held if name in self.workers}
            wait_for(lambda: pump(exchange) >= reachable)
        return exchange


def pump(exchange: Exchange) -> set[str]:
    """Takes up what lanes have said; -> the workers that can be asked."""
    exchange.listen()
    return set(exchange.peers.table.usable)


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with ExitStack() as stack:
        yield Mesh(stack)


def routing_of(num_tokens: int, seed: int = 1) -> Routing:
    generator = torch.Generator().manual_seed(seed)
    ids = [torch.randperm(NUM_EXPERTS, generator=generator)[:TOP_K] for _ in range(num_tokens)]
    return Routing(torch.stack(ids), torch.rand(num_tokens, TOP_K, generator=generator))


def activations(num_tokens: int = NUM_TOKENS) -> Tensor:
    return torch.randn(num_tokens, HIDDEN, generator=torch.Generator().manual_seed(num_tokens))


def expected(x: Tensor, routing: Routing, layer: int = 1) -> Tensor:
    """Slot by slot, in float32, without any router."""
    total = np.zeros(tuple(x.shape), np.float32)
    for slot in range(TOP_K):
        rows = expert_rows(layer, routing.expert_ids[:, slot].numpy(), x.numpy())
        weighted = rows * routing.weights[:, slot, None].numpy()
        total = weighted if slot == 0 else total + weighted
    return torch.from_numpy(total)


def run(exchange: Exchange, num_tokens: int = NUM_TOKENS, *, layer: int = 1) -> None:
    """One dispatch, whose sum has the bits that it must have."""
    x, routing = activations(num_tokens), routing_of(num_tokens)
    found = remote(exchange)(layer, x, routing)
    assert torch.equal(found, expected(x, routing, layer))


def remote(exchange: Exchange, **settings: object) -> RemoteExperts:
    return RemoteExperts(exchange, "attention-0", RemoteExpertsSettings(**settings))  # type: ignore[arg-type]


SPLIT = {"a": (0, 2, 4, 6), "b": (1, 3, 5)}
REPLICAS = {"a": ALL, "b": ALL}


def test_undisturbed_each_worker_gets_one_frame_and_nothing_is_sent_again(mesh: Mesh) -> None:
    a, b = mesh.add("a"), mesh.add("b")
    exchange = mesh.exchange(SPLIT)
    run(exchange)
    assert (len(a.seen), len(b.seen)) == (1, 1)
    statistics = exchange.statistics
    assert (statistics.num_dispatches, statistics.num_frames) == (1, 2)
    assert (statistics.num_resent, statistics.num_duplicates, statistics.num_lanes_lost) == (0, 0, 0)
    assert statistics.bytes_sent > 0 < statistics.bytes_received


def test_replicas_share_the_work(mesh: Mesh) -> None:
    a, b = mesh.add("a"), mesh.add("b")
    run(mesh.exchange(REPLICAS))
    assert set(a.seen[0].experts) & set(b.seen[0].experts) == set()
    assert len(a.seen[0].experts) + len(b.seen[0].experts) == NUM_TOKENS * TOP_K


def wrong_number(worker: ScriptedWorker, dispatch: Dispatch) -> Answers:
    return [reply_to(dispatch)._replace(number=10**6).encode(), *honest(worker, dispatch)]


def twice(worker: ScriptedWorker, dispatch: Dispatch) -> Answers:
    return [*honest(worker, dispatch), *honest(worker, dispatch)]


def garbage(_: ScriptedWorker, __: Dispatch) -> Answers:
    return [bytes(100)]


def flipped(_: ScriptedWorker, dispatch: Dispatch) -> Answers:
    frame = bytearray(reply_to(dispatch).encode())
    frame[70] ^= 1
    return [bytes(frame)]


def cut_short(_: ScriptedWorker, dispatch: Dispatch) -> Answers:
    return [reply_to(dispatch).encode()[:-64]]


def too_few_rows(_: ScriptedWorker, dispatch: Dispatch) -> Answers:
    reply = reply_to(dispatch)
    return [reply._replace(row_sections=[reply.row_sections[0][: -4 * HIDDEN]]).encode()]


def greets_again(worker: ScriptedWorker, _: Dispatch) -> Answers:
    return [worker.hello.encode()]


def sends_a_dispatch(_: ScriptedWorker, dispatch: Dispatch) -> Answers:
    return [dispatch.encode()]


MISBEHAVIOURS = {
    "breaks the stream": breaks,
    "sends garbage": garbage,
    "flips a bit": flipped,
    "cuts its answer short": cut_short,
    "sends too few rows": too_few_rows,
    "greets again": greets_again,
    "sends a dispatch": sends_a_dispatch,
    "says that a frame came damaged": refuses(RefusalReason.CHECKSUM),
    "fails": refuses(RefusalReason.FAILED),
    "is not the host": refuses(RefusalReason.NOT_HERE),
    "knows a later epoch": refuses(RefusalReason.STALE_EPOCH),
}


@pytest.mark.parametrize("misbehaviour", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS.keys())
@pytest.mark.parametrize("held", [SPLIT, REPLICAS], ids=["alone", "with a replica"])
def test_whatever_a_worker_does_once_the_bits_are_the_same(
    mesh: Mesh, misbehaviour: Behaviour, held: Mapping[str, Sequence[int]]
) -> None:
    a, b = mesh.add("a"), mesh.add("b")
    exchange = mesh.exchange(held)
    a.tell(misbehaviour)
    run(exchange)
    assert exchange.statistics.num_resent >= 1
    run(exchange, layer=0)  # and it serves on
    assert not a.bad_frames
    assert not b.bad_frames
    if held is SPLIT:
        assert (len(a.seen), len(b.seen)) == (3, 2)


@pytest.mark.parametrize("misbehaviour", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS.keys())
def test_a_worker_that_never_behaves_is_no_matter_where_there_is_a_replica(
    mesh: Mesh, misbehaviour: Behaviour
) -> None:
    mesh.add("a", always=misbehaviour)
    mesh.add("b")
    exchange = mesh.exchange(REPLICAS)
    for _ in range(3):
        run(exchange)


def test_what_each_fault_does_to_the_statistics(mesh: Mesh) -> None:
    a = mesh.add("a")
    exchange = mesh.exchange({"a": ALL})
    a.tell(breaks)
    run(exchange)
    assert (exchange.statistics.num_lanes_lost, exchange.statistics.num_resent) == (1, 1)
    a.tell(refuses(RefusalReason.NOT_HERE), refuses(RefusalReason.STALE_EPOCH), refuses(RefusalReason.FAILED))
    run(exchange)
    assert (exchange.statistics.num_stale, exchange.statistics.num_lanes_lost) == (2, 1)
    assert exchange.statistics.num_frames == 6
    assert exchange.statistics.num_dispatches == 2


@pytest.mark.parametrize("behaviour", [wrong_number, twice], ids=["another's number", "twice"])
def test_answers_that_nobody_waits_for_are_dropped(mesh: Mesh, behaviour: Behaviour) -> None:
    a = mesh.add("a", always=behaviour)
    exchange = mesh.exchange({"a": ALL})
    for layer in (0, 1, 0, 1):
        run(exchange, layer=layer)
    wait_for(lambda: bool(pump(exchange)) and exchange.statistics.num_duplicates == 4)
    assert len(a.seen) == 4


@pytest.mark.parametrize(
    "reason",
    [RefusalReason.MALFORMED, RefusalReason.OVERSIZED, RefusalReason.VERSION, RefusalReason.MISMATCH],
)
def test_a_frame_that_nobody_would_take_ends_the_step(mesh: Mesh, reason: RefusalReason) -> None:
    a = mesh.add("a")
    mesh.add("b")
    exchange = mesh.exchange(REPLICAS)
    a.tell(refuses(reason, "it cannot be"))
    with pytest.raises(WorkerMismatchError, match="worker a refuses a frame: it cannot be"):
        run(exchange)
    run(exchange)


@pytest.mark.parametrize("behaviour", [garbage, breaks])
def test_a_frame_that_breaks_every_stream_ends_the_step_before_patience_does(
    mesh: Mesh, behaviour: Behaviour
) -> None:
    mesh.add("a", always=behaviour)
    exchange = mesh.exchange({"a": ALL})
    began = time.monotonic()
    with pytest.raises(ExpertsUnreachableError, match="16 streams broke"):
        run(exchange)
    assert time.monotonic() - began < PATIENCE_S


@pytest.mark.parametrize("reason", [RefusalReason.NOT_HERE, RefusalReason.STALE_EPOCH, RefusalReason.FAILED])
def test_without_a_replica_it_asks_again_and_again_until_patience_ends(
    mesh: Mesh, reason: RefusalReason
) -> None:
    a = mesh.add("a", always=refuses(reason))
    exchange = mesh.exchange({"a": ALL}, replace(SETTINGS, recovery_s=1.0))
    with pytest.raises(ExpertsUnreachableError, match=r"no progress for 1 s \(recovery_s\)"):
        run(exchange)
    assert 2 <= len(a.seen) <= 6
    a.always = honest
    run(exchange)


def test_a_worker_that_comes_back_empty_is_asked_until_it_is_loaded(mesh: Mesh) -> None:
    a = mesh.add("a")
    exchange = mesh.exchange({"a": ALL})
    a.tell(*[refuses(RefusalReason.NOT_HERE)] * 3)
    run(exchange)
    assert exchange.statistics.num_stale == 3


def test_before_there_is_a_topology_a_dispatch_waits_for_one(mesh: Mesh) -> None:
    mesh.add("a")
    exchange = mesh.exchange(None)
    with in_background(lambda: run(exchange)):
        exchange.update(mesh.topology({"a": ALL}))


def test_a_worker_that_nobody_can_reach_is_named(mesh: Mesh) -> None:
    worker = ScriptedWorker("a")
    worker.stop()
    mesh.workers["a"] = worker
    exchange = mesh.exchange(None, replace(SETTINGS, recovery_s=0.5))
    exchange.update(mesh.topology({"a": ALL}))
    with pytest.raises(ExpertsUnreachableError, match="a: UNAVAILABLE"):
        run(exchange)


def test_a_worker_that_stops_is_waited_for_and_may_come_back_on_its_port(mesh: Mesh) -> None:
    first = mesh.add("a")
    exchange = mesh.exchange({"a": ALL})
    run(exchange)
    first.tell(hung)
    with in_background(lambda: run(exchange)):
        wait_for(lambda: len(first.seen) == 2)
        first.stop()
        mesh.add("a", port=first.port)


def test_a_worker_that_stops_is_replaced_by_a_new_topology(mesh: Mesh) -> None:
    first = mesh.add("a")
    exchange = mesh.exchange({"a": ALL})
    first.tell(hung)
    with in_background(lambda: run(exchange)):
        wait_for(lambda: len(first.seen) == 1)
        mesh.add("late")
        exchange.update(mesh.topology({"late": ALL}))
        first.stop()


def test_workers_may_be_numbered_anew_in_the_middle_of_a_dispatch(mesh: Mesh) -> None:
    """What was sent by the old numbers is answered; what is sent again goes by the new ones."""
    a, b = mesh.add("a"), mesh.add("b")
    exchange = mesh.exchange(SPLIT)
    release = threading.Event()

    def refuse_when_released(worker: ScriptedWorker, dispatch: Dispatch) -> Answers:
        assert release.wait(PATIENCE_S)
        return refuses(RefusalReason.STALE_EPOCH)(worker, dispatch)

    a.tell(refuse_when_released)
    b.tell(hung)
    with in_background(lambda: run(exchange)):
        wait_for(lambda: len(a.seen) + len(b.seen) == 2)
        mesh.add("c")
        exchange.update(mesh.topology({"c": (1, 3, 5), "b": (), "a": (0, 2, 4, 6)}))
        release.set()
        wait_for(lambda: len(a.seen) == 2)
        b.stop()
    assert sorted(mesh.workers["c"].seen[0].experts) == sorted(b.seen[0].experts)
    assert [each.epoch for each in a.seen] == [1, 2]


def test_a_refused_frame_goes_back_to_its_worker_when_the_replica_is_lost(mesh: Mesh) -> None:
    """What a worker would not do before, it may do in the next epoch."""
    a, b = mesh.add("a"), mesh.add("b")
    exchange = mesh.exchange(REPLICAS)
    a.tell(refuses(RefusalReason.NOT_HERE))
    b.always = hung
    with in_background(lambda: run(exchange)):
        wait_for(lambda: exchange.statistics.num_frames == 3)
        b.stop()
    assert len(a.seen) >= 2


def test_a_worker_that_is_slow_is_hedged_and_its_late_answer_dropped(mesh: Mesh) -> None:
    a = mesh.add("a")
    mesh.add("b")
    exchange = mesh.exchange(REPLICAS, replace(SETTINGS, hedge=HedgeSettings(factor=1.5, least_s=0.05)))
    for _ in range(40):
        run(exchange)
    assert exchange.statistics.num_hedged == 0
    released = threading.Event()

    def slow(worker: ScriptedWorker, dispatch: Dispatch) -> Answers:
        assert released.wait(PATIENCE_S)
        return honest(worker, dispatch)

    a.tell(slow)
    began = time.monotonic()
    run(exchange)
    assert time.monotonic() - began < 2.0
    assert exchange.statistics.num_hedged == 1
    released.set()
    wait_for(lambda: bool(pump(exchange)) and exchange.statistics.num_duplicates == 1)
    assert exchange.statistics.num_resent == 0


def test_a_worker_that_is_silent_beyond_the_deadline_is_asked_no_more_until_it_answers(mesh: Mesh) -> None:
    a = mesh.add("a")
    mesh.add("b")
    exchange = mesh.exchange(REPLICAS, replace(SETTINGS, frame_deadline_s=0.3))
    released = threading.Event()

    def slow(worker: ScriptedWorker, dispatch: Dispatch) -> Answers:
        assert released.wait(PATIENCE_S)
        return honest(worker, dispatch)

    a.tell(slow)
    run(exchange)
    for _ in range(5):
        run(exchange)
    assert len(a.seen) == 1
    assert "0.3 s" in exchange.peers.troubles["a"]
    released.set()
    wait_for(lambda: "a" in pump(exchange))
    run(exchange)
    assert len(a.seen) == 2
    assert not exchange.peers.troubles


def test_a_late_answer_is_an_answer_where_there_is_no_replica(mesh: Mesh) -> None:
    a = mesh.add("a")
    exchange = mesh.exchange({"a": ALL}, replace(SETTINGS, frame_deadline_s=0.2))
    released = threading.Event()

    def slow(worker: ScriptedWorker, dispatch: Dispatch) -> Answers:
        assert released.wait(PATIENCE_S)
        return honest(worker, dispatch)

    a.tell(slow)
    with in_background(lambda: run(exchange)):
        wait_for(lambda: "a" in exchange.peers.troubles)
        released.set()
    assert len(a.seen) == 1
    assert exchange.statistics.num_frames == 1


def test_a_hung_worker_whose_rows_come_from_hedges_is_found_out(mesh: Mesh) -> None:
    a = mesh.add("a")
    mesh.add("b")
    settings = replace(SETTINGS, frame_deadline_s=0.5, hedge=HedgeSettings(factor=1.5, least_s=0.01))
    exchange = mesh.exchange(REPLICAS, settings)
    for _ in range(40):
        run(exchange)
    a.always = hung
    until = time.monotonic() + PATIENCE_S
    while "a" not in exchange.peers.troubles:
        run(exchange)
        assert time.monotonic() < until
    num_hedged = exchange.statistics.num_hedged
    for _ in range(5):
        run(exchange)
    assert exchange.statistics.num_hedged == num_hedged


def test_big_dispatches_are_cut_into_frames_that_fit_and_never_more_than_the_credits_wait(mesh: Mesh) -> None:
    a = mesh.add(
        "a", hello=replace_hello(mesh.add("b").hello, worker="a", credits=1, max_frame_bytes=MAX_FRAME_BYTES)
    )
    exchange = mesh.exchange({"a": (0, 1, 2), "b": (3, 4, 5, 6)})
    x, routing = activations(100), routing_of(100)
    found = remote(exchange, max_frame_bytes=4096 + 32 * 40)(1, x, routing)
    assert torch.equal(found, expected(x, routing))
    assert len(a.seen) > 2
    assert max(each.num_assignments for each in a.seen) == 40
    assert sum(each.num_assignments for each in a.seen + mesh.workers["b"].seen) == 300


def test_reduced_sums_are_near_and_carry_fewer_rows(mesh: Mesh) -> None:
    mesh.add("a")
    mesh.add("b")
    exchange = mesh.exchange(SPLIT)
    x, routing = activations(), routing_of(NUM_TOKENS)
    run(exchange)
    exact_bytes = exchange.statistics.bytes_received
    found = remote(exchange, combine=CombineMode.REDUCED)(1, x, routing)
    torch.testing.assert_close(found, expected(x, routing), rtol=1e-6, atol=1e-6)
    assert exchange.statistics.bytes_received - exact_bytes < exact_bytes


class LocalRows:
    """The experts of this process. Says when it computes."""

    def __init__(self, during: Callable[[], None]) -> None:
        self._during = during

    def run(self, layer: int, x: Tensor, assignments: Assignments, mode: CombineMode) -> Tensor:
        assert mode is CombineMode.EXACT
        self._during()
        rows = expert_rows(layer, assignments.experts.numpy(), x[assignments.rows].numpy())
        return torch.from_numpy(rows) * assignments.weights[:, None]


def test_local_experts_compute_while_remote_ones_are_on_their_way(mesh: Mesh) -> None:
    a = mesh.add("a")
    exchange = mesh.exchange({"here": (0, 1, 2, 3), "a": (4, 5, 6)}, local="here")
    hosted = LocalRows(lambda: wait_for(lambda: len(a.seen) == 1))
    experts = RemoteExperts(exchange, "attention-0", RemoteExpertsSettings(), hosted)
    x, routing = activations(), routing_of(NUM_TOKENS)
    assert torch.equal(experts(1, x, routing), expected(x, routing))
    assert exchange.statistics.num_frames == 1


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"worker": "b"}, "is not the worker a, but b"),
        ({"model": "other"}, "serves the model other"),
        ({"arithmetic": "other"}, "computes by 'other'"),
        ({"max_frame_bytes": 1000}, "takes frames of 1000 bytes"),
        ({"credits": 0}, "none at all"),
    ],
)
def test_a_worker_that_is_not_the_expected_one_is_not_asked(
    mesh: Mesh, changes: Mapping[str, str | int], trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    a = mesh.add("a")
    a.hello = replace_hello(a.hello, **changes)
    mesh.add("b")
    exchange = mesh.exchange(None, replace(SETTINGS, recovery_s=0.5))
    exchange.update(mesh.topology(REPLICAS))
    wait_for(lambda: pump(exchange) == {"b"} and "a" in exchange.peers.troubles)
    run(exchange)
    assert not a.seen
    assert trouble in exchange.peers.troubles["a"]
    exchange.update(mesh.topology({"a": ALL}))
    with pytest.raises(ExpertsUnreachableError, match=trouble):
        run(exchange)
    assert caplog.text.count("ERROR") <= 1


def test_without_a_named_arithmetic_the_first_worker_decides(mesh: Mesh) -> None:
    mesh.add("a")
    exchange = Exchange(SETTINGS, model="model")
    exchange.update(mesh.topology({"a": ALL}))
    try:
        wait_for(lambda: pump(exchange) == {"a"})
        b = mesh.add("b")
        b.hello = replace_hello(b.hello, arithmetic="other")
        exchange.update(mesh.topology(REPLICAS))
        wait_for(lambda: pump(exchange) == {"a"} and "b" in exchange.peers.troubles)
    finally:
        exchange.close()


def test_topologies_may_change_all_the_time(mesh: Mesh) -> None:
    mesh.add("a")
    mesh.add("b")
    mesh.add("c")
    exchange = mesh.exchange(SPLIT)
    is_over = threading.Event()
    plans = [SPLIT, {"b": (0, 2, 4, 6), "c": (1, 3, 5)}, {"c": ALL, "a": (1, 2)}, REPLICAS]

    def change() -> None:
        number = 0
        while not is_over.wait(0.003):
            exchange.update(mesh.topology(plans[number % len(plans)]))
            number += 1

    with in_background(change):
        for number in range(150):
            run(exchange, layer=number % NUM_LAYERS)
        is_over.set()
    assert mesh.epoch > 10


class in_background(ExitStack):  # noqa: N801
    """Runs beside the body; at the end it must have ended without an error."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._errors.append(error)

    def __exit__(self, *about: object) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "it did not end"
        if self._errors:
            raise self._errors[0]
