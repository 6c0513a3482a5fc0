"""One dispatch, with workers that misbehave: the same bits as ever, or an error in words."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from protos.errors import ExpertsUnreachableError, WorkerMismatchError
from router.dispatch_frames import Dispatch, RefusalReason
from tests.router.scripted_mesh import (
    ALL,
    NUM_TOKENS,
    REPLICAS,
    SETTINGS,
    SPLIT,
    TOP_K,
    Mesh,
    beside,
    pump,
    run,
)
from tests.router.scripted_worker import (
    HIDDEN,
    PATIENCE_S,
    Answers,
    Behaviour,
    ScriptedWorker,
    breaks,
    honest,
    hung,
    refuses,
    reply_to,
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
    with beside(lambda: run(exchange)):
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
    with beside(lambda: run(exchange)):
        wait_for(lambda: len(first.seen) == 2)
        first.stop()
        mesh.add("a", port=first.port)


def test_a_worker_that_stops_is_replaced_by_a_new_topology(mesh: Mesh) -> None:
    first = mesh.add("a")
    exchange = mesh.exchange({"a": ALL})
    first.tell(hung)
    with beside(lambda: run(exchange)):
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
    with beside(lambda: run(exchange)):
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
    with beside(lambda: run(exchange)):
        wait_for(lambda: exchange.statistics.num_frames == 3)
        b.stop()
    assert len(a.seen) >= 2
