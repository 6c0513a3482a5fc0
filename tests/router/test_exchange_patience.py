"""The exchange with workers that are slow, late or hung: hedges, deadlines, late answers."""

import threading
import time
from dataclasses import replace

from router.dispatch_frames import Dispatch
from router.hedging import HedgeSettings
from tests.router.scripted_mesh import (
    ALL,
    REPLICAS,
    SETTINGS,
    Mesh,
    in_background,
    pump,
    run,
)
from tests.router.scripted_worker import (
    PATIENCE_S,
    Answers,
    ScriptedWorker,
    honest,
    hung,
    wait_for,
)


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
