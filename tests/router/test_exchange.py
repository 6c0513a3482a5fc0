"""The exchange with real streams: workers that go, come back, are slow, full, or elsewhere by now."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kernels.group import Assignments
from protos.errors import ExpertsUnreachableError
from router.dispatch_frames import CombineMode, Dispatch, RefusalReason
from router.exchange import Exchange
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from tests.router.scripted_mesh import (
    ALL,
    NUM_LAYERS,
    NUM_TOKENS,
    REPLICAS,
    SETTINGS,
    SPLIT,
    TOP_K,
    Mesh,
    activations,
    expected,
    in_background,
    pump,
    remote,
    routing_of,
    run,
)
from tests.router.scripted_worker import (
    MAX_FRAME_BYTES,
    PATIENCE_S,
    Answers,
    ScriptedWorker,
    expert_rows,
    honest,
    hung,
    refuses,
    replace_hello,
    wait_for,
)


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
