"""What goes over the wire comes back as it was, also what only a newer release would say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.gen.v1 import cluster_pb2 as pb
from router.placement import Placement
from router.replication import ReplicaRule, ReplicatedPart
from workers.membership.members import Announcement, MeshTopology, WorkerKind, WorkerState, WorkerStatus
from workers.membership.topology_codec import (
    announcement_from_message,
    announcement_to_message,
    topology_from_message,
    topology_to_message,
)

SAID = Announcement("attention-1", WorkerKind.ATTENTION, "n", "10.0.0.1:5", 77, "0001-a", "m", 6, 3, 2)
WORKER = WorkerStatus(
    "expert-2", WorkerKind.EXPERT, WorkerState.DRAINING, "n", "10.0.0.1:9", 78, 12, 3456, None, 0, 0, "m"
)


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    num_workers, num_experts = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    hosts = st.sets(st.integers(0, num_workers - 1)).map(lambda each: tuple(sorted(each)))
    layers = st.lists(st.tuples(*[hosts] * num_experts), min_size=1, max_size=3)
    names = tuple(f"expert-{number}" for number in range(num_workers))
    return Placement(draw(st.integers(1, 1 << 60)), names, tuple(draw(layers)))


def there_and_back(topology: MeshTopology) -> MeshTopology:
    return topology_from_message(pb.Topology.FromString(topology_to_message(topology).SerializeToString()))


@given(placements())
def test_any_placement(placement: Placement) -> None:
    assert there_and_back(MeshTopology(placement=placement)).placement == placement


def test_the_whole_topology() -> None:
    starting = WorkerStatus("attention-0", WorkerKind.STAGE, WorkerState.STARTING)
    topology = MeshTopology(
        generation=5,
        controller="c",
        model="m",
        workers=(WORKER, starting, replace(WORKER, name="a", epoch=0, num_running=4, num_waiting=5)),
        placement=Placement(3, ("expert-2",), (((0,),),)),
        imbalance=1.25,
        num_lost=2,
        num_rebalances=1,
        replicas=3,
        rules=(
            ReplicaRule(ReplicatedPart(layer=0), 4),
            ReplicaRule(ReplicatedPart(expert=0), 5),
            ReplicaRule(ReplicatedPart(2, 7), 6),
        ),
        activities=("one", "two"),
    )
    assert there_and_back(topology) == topology


def test_what_is_not_there_is_not_zero() -> None:
    empty = there_and_back(MeshTopology())
    assert empty.placement is None
    assert empty.imbalance is None


@pytest.mark.parametrize("kind", list(WorkerKind))
@pytest.mark.parametrize("epoch", [None, 0, 9])
def test_announcements(kind: WorkerKind, epoch: int | None) -> None:
    said = replace(SAID, kind=kind, epoch=epoch)
    assert announcement_from_message(announcement_to_message(said)) == said


@pytest.mark.parametrize("state", list(WorkerState))
def test_states(state: WorkerState) -> None:
    topology = MeshTopology(workers=(replace(WORKER, state=state),))
    assert there_and_back(topology) == topology


def test_kinds_of_a_newer_release_are_left_out() -> None:
    message = topology_to_message(MeshTopology(workers=(WORKER, WORKER)))
    message.workers[0].kind = 99  # type: ignore[assignment]
    assert topology_from_message(message).workers == (WORKER,)
    message.rules.add(replicas=3)
    assert topology_from_message(message).rules == ()
    said = announcement_to_message(SAID)
    said.kind = 99  # type: ignore[assignment]
    assert announcement_from_message(said) is None
