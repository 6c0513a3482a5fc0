"""What outlasts a dispatch: slow and silent workers, frames that are cut, topologies that change."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from kernels.group import Assignments
from router.dispatch_frames import CombineMode
from router.hedging import HedgeSettings
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from tests.router.scripted_mesh import (
    ALL,
    NUM_LAYERS,
    NUM_TOKENS,
    REPLICAS,
    SETTINGS,
    SPLIT,
    Mesh,
    activations,
    beside,
    expected,
    pump,
    remote,
    routing_of,
    run,
)
from tests.router.scripted_worker import (
    MAX_FRAME_BYTES,
    PATIENCE_S,
    expert_rows,
    hung,
    replace_hello,
    wait_for,
    when_released,
)


def test_a_worker_that_is_slow_is_hedged_and_its_late_answer_dropped(mesh: Mesh) -> None:
    a = mesh.add("a")
    mesh.add("b")
    exchange = mesh.exchange(REPLICAS, replace(SETTINGS, hedge=HedgeSettings(factor=1.5, least_s=0.05)))
    for _ in range(40):
        run(exchange)
    assert exchange.statistics.num_hedged == 0
    released = threading.Event()
    a.tell(when_released(released))
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
    a.tell(when_released(released))
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
    a.tell(when_released(released))
    with beside(lambda: run(exchange)):
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

    with beside(change):
        for number in range(150):
            run(exchange, layer=number % NUM_LAYERS)
        is_over.set()
    assert mesh.epoch > 10
