"""After a loss: every expert that has no host gets one where there is room, and nothing else moves."""

from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from protos.errors import DoesNotFitError
from router.expert_host import ExpertHost
from router.hosting import Pair
from router.placement import Placement
from router.replication import ReplicaRule, ReplicatedPart, Replication
from router.rescue import rescue
from router.spread import spread
from tests.router.hosts import hosts_of, meshes, num_held, num_loads


def hosts_by_name(placement: Placement, layer: int, expert: int) -> set[str]:
    return {placement.workers[host] for host in placement.hosts[layer][expert]}


@given(meshes(), st.data())
@settings(max_examples=300, deadline=None)
def test_the_lost_are_found_a_host_and_the_others_stay(
    mesh: tuple[list[ExpertHost], int, int, int], data: st.DataObject
) -> None:
    workers, num_layers, num_experts, replicas = mesh
    try:
        whole = spread(workers, num_layers=num_layers, num_experts=num_experts, replicas=replicas)
    except DoesNotFitError:
        reject()
    left = [worker for worker in workers if data.draw(st.booleans())]
    assume(left)
    saved = rescue(whole, left)
    assert saved.placement.epoch == whole.epoch + 1
    assert saved.placement.workers == tuple(worker.name for worker in left)
    assert saved.num_loads == num_loads(whole, saved.placement)
    assert all(num_held(saved.placement, worker) <= worker.num_slots for worker in left)
    names = {worker.name for worker in left}
    num_given_up = 0
    for layer in range(num_layers):
        for expert in range(num_experts):
            before = hosts_by_name(whole, layer, expert) & names
            after = hosts_by_name(saved.placement, layer, expert)
            assert bool(after) != ((layer, expert) in saved.without_host)
            if before:
                assert after <= before
                num_given_up += len(before - after)
            else:
                assert len(after) <= 1
    assert num_given_up <= saved.num_loads
    if saved.without_host:
        assert all(num_held(saved.placement, worker) == worker.num_slots for worker in left)
        assert all(len(hosts) <= 1 for layer in saved.placement.hosts for hosts in layer)


def test_what_fits_nowhere_is_named() -> None:
    workers = hosts_of(("a", 5), ("b", 5), ("c", 5))
    whole = spread(workers, num_layers=2, num_experts=7)
    saved = rescue(whole, workers[:2])
    assert saved.num_loads == 10 - 14 + num_held(whole, workers[2])
    assert len(saved.without_host) == 4
    assert not saved.placement.is_whole
    assert str(saved).startswith("4 experts have no host and fit on no survivor, the first is expert ")


def test_the_hottest_are_saved_first() -> None:
    workers = hosts_of(("a", 2), ("b", 3))
    whole = Placement(0, ("w0", "w1"), (((0,), (1,), (1,), (1,)),))
    saved = rescue(whole, workers[:1], [[1.0, 2.0, 9.0, 3.0]])
    assert saved.placement.hosts == (((0,), (), (0,), ()),)
    assert saved.without_host == (Pair(0, 1), Pair(0, 3))


def test_a_spare_replica_makes_way_when_all_is_full() -> None:
    workers = hosts_of(("a", 2), ("b", 2), ("c", 1))
    whole = Placement(0, ("w0", "w1", "w2"), (((0, 1), (1,), (0,), (2,)),))
    saved = rescue(whole, workers[:2])
    assert saved.placement.hosts in ((((1,), (1,), (0,), (0,)),), (((0,), (1,), (0,), (1,)),))
    assert (saved.num_loads, saved.without_host) == (1, ())


def test_replicas_that_a_rule_asks_for_make_way_last() -> None:
    workers = hosts_of(("a", 2), ("b", 2), ("c", 1))
    whole = Placement(0, ("w0", "w1", "w2"), (((0, 1), (0, 1), (2,)),))
    for kept in (0, 1):
        replication = Replication(1, (ReplicaRule(ReplicatedPart(0, kept), 2),))
        saved = rescue(whole, workers[:2], replication=replication)
        hosts = saved.placement.hosts[0]
        assert len(hosts[kept]) == 2
        assert (len(hosts[1 - kept]), len(hosts[2])) == (1, 1)
    both = Replication(1, (ReplicaRule(ReplicatedPart(layer=0), 2),))
    assert rescue(whole, workers[:2], replication=both).placement.is_whole


def test_a_drained_worker_gives_its_experts_to_the_others() -> None:
    """To drain is to lose a worker that still answers: the controller publishes before it stops it."""
    workers = hosts_of(("a", 14), ("b", 14), ("c", 14))
    whole = spread(workers, num_layers=2, num_experts=7)
    saved = rescue(whole, workers[1:])
    assert saved.placement.is_whole
    assert saved.num_loads == num_held(whole, workers[0])
    assert str(saved) == f"the survivors load {saved.num_loads} experts"
