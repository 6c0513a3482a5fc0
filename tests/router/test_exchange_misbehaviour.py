"""Workers that misbehave in every way that a script can: the same bits as ever, or an error in words."""

import time
from collections.abc import Mapping, Sequence

import pytest

from protos.errors import ExpertsUnreachableError, WorkerMismatchError
from router.dispatch_frames import Dispatch, RefusalReason
from tests.router.scripted_mesh import (
    ALL,
    REPLICAS,
    SPLIT,
    Mesh,
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
    refuses,
    reply_to,
    wait_for,
)


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
