"""A better placement in few moves: rules kept, never worse, near the best of all."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from protos.errors import DoesNotFitError
from router.balance import BalanceLimits, completed, rebalance
from router.expert_host import ExpertHost
from router.expert_loads import Costs, even_costs, imbalance, layer_loads
from router.placement import Placement
from router.replication import ReplicaRule, ReplicatedPart, Replication
from router.spread import spread
from tests.router.hosts import (
    costs_for,
    hosts_of,
    meshes,
    most_on_one_node,
    num_held,
    num_loads,
    replications,
)

EVERYTHING = BalanceLimits(max_loads=1000, least_gain=0.0)


def length(placement: Placement, costs: Costs) -> float:
    return sum(max(loads) for loads in layer_loads(placement, costs))


def skewed(num_layers: int, num_experts: int, seed: int) -> Costs:
    """As gates are: a few experts of each layer have most of the tokens."""
    draw = random.Random(seed)
    ranks = [[1000 / (rank + 1) ** 0.8 for rank in range(num_experts)] for _ in range(num_layers)]
    for layer in ranks:
        draw.shuffle(layer)
    return ranks


@given(meshes(), st.integers(0, 8), st.sampled_from([0.0, 0.01, 0.3]), st.data())
@settings(max_examples=300, deadline=None)
def test_it_keeps_the_rules_and_never_makes_it_worse(
    mesh: tuple[list[ExpertHost], int, int, int], max_loads: int, least_gain: float, data: st.DataObject
) -> None:
    workers, num_layers, num_experts, replicas = mesh
    try:
        before = spread(workers, num_layers=num_layers, num_experts=num_experts, replicas=replicas, epoch=6)
    except DoesNotFitError:
        reject()
    costs = data.draw(costs_for(num_layers, num_experts))
    limits = BalanceLimits(max_loads, least_gain)
    found = rebalance(before, workers, costs, replication=Replication(replicas), limits=limits)
    after = found.placement
    assert after.epoch == 7
    assert found.num_loads == num_loads(before, after) <= max_loads
    assert found.num_drops == num_loads(after, before)
    assert found.is_changed == (after.hosts != before.hosts)
    assert found.num_missing == 0
    assert all(num_held(after, worker) <= worker.num_slots for worker in workers)
    num_nodes = len({worker.node for worker in workers if worker.num_slots})
    for hosts in (hosts for layer in after.hosts for hosts in layer):
        assert len(hosts) >= replicas
        assert most_on_one_node(hosts, workers) <= -(-len(hosts) // num_nodes)
    assert length(after, costs) <= length(before, costs) * (1 + 1e-9)
    assert found.imbalance == imbalance(after, costs)
    assert found.imbalance_before == imbalance(before, costs)
    assert rebalance(before, workers, costs, replication=Replication(replicas), limits=limits) == found


@given(meshes(), st.integers(0, 40), st.data())
@settings(max_examples=300, deadline=None)
def test_rules_are_kept_as_far_as_there_is_room(
    mesh: tuple[list[ExpertHost], int, int, int], max_loads: int, data: st.DataObject
) -> None:
    workers, num_layers, num_experts, every = mesh
    try:
        before = spread(workers, num_layers=num_layers, num_experts=num_experts, replicas=every)
    except DoesNotFitError:
        reject()
    costs = data.draw(costs_for(num_layers, num_experts))
    replication = data.draw(replications(num_layers, num_experts, every))
    limits = BalanceLimits(max_loads, least_gain=1e9)
    found = rebalance(before, workers, costs, replication=replication, limits=limits)
    num_usable = sum(worker.num_slots > 0 for worker in workers)
    num_nodes = len({worker.node for worker in workers if worker.num_slots})
    assert found.num_loads == num_loads(before, found.placement) <= max_loads
    rooms = [worker.num_slots - num_held(found.placement, worker) for worker in workers]
    assert min(rooms) >= 0
    num_missing = 0
    for layer, least in enumerate(replication.limited(num_usable).least_hosts(num_layers, num_experts)):
        for hosts, wanted in zip(found.placement.hosts[layer], least, strict=True):
            assert most_on_one_node(hosts, workers) <= -(-len(hosts) // num_nodes)
            num_missing += max(0, wanted - len(hosts))
            if len(hosts) < wanted and found.num_loads < max_loads:
                allowed = [
                    number
                    for number in range(len(workers))
                    if number not in hosts
                    and most_on_one_node((*hosts, number), workers) <= -(-(len(hosts) + 1) // num_nodes)
                ]
                assert not any(rooms[number] for number in allowed)
    assert found.num_missing == num_missing


@given(meshes(), st.data())
@settings(max_examples=300, deadline=None)
def test_no_rule_keeps_an_expert_from_having_a_host(
    mesh: tuple[list[ExpertHost], int, int, int], data: st.DataObject
) -> None:
    """Workers go, and those that are left have room for one replica of each at least."""
    workers, num_layers, num_experts, _ = mesh
    left = [worker for worker in workers if data.draw(st.booleans())]
    num_pairs = num_layers * num_experts
    assume(sum(min(worker.num_slots, num_pairs) for worker in left) >= num_pairs)
    replication = data.draw(replications(num_layers, num_experts, every=1))
    costs = data.draw(costs_for(num_layers, num_experts))
    first = spread(workers, num_layers=num_layers, num_experts=num_experts)
    home = completed(first, workers, costs, replication).placement
    assert completed(home, left, costs, replication).placement.is_whole


def test_what_must_be_moves_nothing_for_the_sake_of_load() -> None:
    workers = hosts_of(("a", 9), ("b", 9))
    start = Placement(0, ("w0", "w1"), (((0,), (0,), (0,), (1,)),))
    costs = [[9.0, 9.0, 9.0, 1.0]]
    rule = ReplicaRule(ReplicatedPart(expert=3), 2)
    assert completed(start, workers, costs).placement.hosts == start.hosts
    found = completed(start, workers, costs, Replication(1, (rule,)))
    assert found.placement.hosts == (((0,), (0,), (0,), (0, 1)),)
    assert (found.num_loads, found.num_drops, found.num_missing) == (1, 0, 0)


def every_placement(workers: Sequence[ExpertHost], num_experts: int) -> Iterator[Placement]:
    """Of one layer with one host for each expert, as far as there is room."""
    names = tuple(worker.name for worker in workers)
    for chosen in product(range(len(workers)), repeat=num_experts):
        if all(chosen.count(number) <= worker.num_slots for number, worker in enumerate(workers)):
            yield Placement(0, names, (tuple((host,) for host in chosen),))


@pytest.mark.parametrize("slots", [(2, 2, 2), (2, 3, 2), (6, 6, 6), (1, 4, 5)])
@pytest.mark.parametrize("seed", range(8))
def test_it_comes_near_the_best_of_all(slots: tuple[int, ...], seed: int) -> None:
    """Over 150 seeds the worst was 17 % above the best, and with room for replicas 15 %."""
    workers = hosts_of(*[(f"n{number}", count) for number, count in enumerate(slots)])
    draw = random.Random(seed)
    costs = [[draw.uniform(0.1, 1.0) ** 3 for _ in range(6)]]
    best = min(length(placement, costs) for placement in every_placement(workers, 6))
    start = spread(workers, num_layers=1, num_experts=6)
    exact_room = [replace(worker, num_slots=num_held(start, worker)) for worker in workers]
    found = rebalance(start, exact_room, costs, limits=EVERYTHING)
    best_of_exact = min(length(placement, costs) for placement in every_placement(exact_room, 6))
    assert length(found.placement, costs) <= best_of_exact * 1.18
    with_room = rebalance(start, workers, costs, limits=EVERYTHING)
    assert length(with_room.placement, costs) <= best * 1.16  # replicas may make it better than the best


def test_a_skewed_120b_is_evened_out() -> None:
    """Four workers, a tenth of their slots to spare."""
    workers = hosts_of(*[(f"n{number}", 1270) for number in range(4)])
    costs = skewed(36, 128, seed=1)
    start = spread(workers, num_layers=36, num_experts=128)
    found = rebalance(start, workers, costs, limits=BalanceLimits(max_loads=200))
    assert found.imbalance_before > 1.25
    assert found.imbalance < 1.06
    assert found.num_loads <= 100
    again = rebalance(found.placement, workers, costs, limits=BalanceLimits(max_loads=200))
    assert not again.is_changed


def test_few_moves_bring_most_of_it() -> None:
    workers = hosts_of(*[(f"n{number}", 1270) for number in range(4)])
    costs = skewed(36, 128, seed=2)
    start = spread(workers, num_layers=36, num_experts=128)
    gains = [
        start_length - length(rebalance(start, workers, costs, limits=BalanceLimits(count)).placement, costs)
        for start_length in [length(start, costs)]
        for count in (16, 32, 64)
    ]
    assert 0 < gains[0] < gains[1] < gains[2]
    assert gains[0] > gains[2] / 4


def test_a_free_slot_gets_a_replica_of_the_hottest_expert() -> None:
    workers = hosts_of(("a", 3), ("b", 4))
    start = Placement(0, ("w0", "w1"), (((0,), (0,), (0,), (1,), (1,), (1,)),))
    found = rebalance(start, workers, [[1.0, 10.0, 1.0, 1.0, 1.0, 1.0]])
    assert found.placement.hosts[0][1] == (0, 1)
    assert (found.num_loads, found.num_drops) == (1, 0)


def test_a_replica_that_has_gone_cold_makes_way_for_a_hot_one() -> None:
    """Also across layers."""
    workers = hosts_of(("a", 4), ("b", 5))
    start = Placement(0, ("w0", "w1"), (((0, 1), (0,), (1,), (1,)), ((0,), (0,), (1,), (1,))))
    found = rebalance(start, workers, [[0.0, 1.0, 1.0, 0.0], [10.0, 1.0, 1.0, 0.0]])
    assert found.placement.hosts[0][0] in ((0,), (1,))
    assert found.placement.hosts[1][0] == (0, 1)


def test_even_loads_are_left_alone() -> None:
    workers = hosts_of(("a", 30), ("b", 30), ("c", 30))
    start = spread(workers, num_layers=3, num_experts=6)
    assert not rebalance(start, workers, even_costs(3, 6)).is_changed
    assert not rebalance(start, workers, [[0.0] * 6] * 3).is_changed


def test_a_worker_that_joins_gets_its_part() -> None:
    workers = hosts_of(("a", 30), ("b", 30), ("c", 30))
    start = spread(workers[:2], num_layers=2, num_experts=9)
    found = rebalance(start, workers, even_costs(2, 9), limits=EVERYTHING)
    assert found.imbalance_before == 1.5 * 10 / 9
    assert found.imbalance < 1.12
    assert found.num_drops > 0


def test_missing_replicas_come_first_and_the_limit_holds_for_them_too() -> None:
    workers = hosts_of(("a", 14), ("b", 14), ("c", 14))
    start = Placement(0, ("w0", "w1"), ((((0,),) * 6) + ((),), ((1,),) * 7))
    found = rebalance(
        start, workers, even_costs(2, 7), replication=Replication(2), limits=BalanceLimits(max_loads=9)
    )
    assert found.num_loads == 9
    assert found.num_missing == 15 - 9
    assert found.placement.hosts[0][6]
    done = rebalance(
        start, workers, even_costs(2, 7), replication=Replication(2), limits=BalanceLimits(max_loads=99)
    )
    assert done.num_missing == 0
    assert all(len(hosts) >= 2 for layer in done.placement.hosts for hosts in layer)


def test_an_expert_makes_way_where_only_full_workers_may_host_another() -> None:
    """The free slot is on the node that has the first replica already."""
    workers = hosts_of(("a", 1), ("b", 1), ("a", 1), ("c", 1))
    start = Placement(0, ("w0", "w1", "w2", "w3"), (((0,), (1, 3)),))
    found = rebalance(start, workers, even_costs(1, 2), replication=Replication(2))
    assert found.placement.hosts == (((0, 1), (2, 3)),)
    assert (found.num_loads, found.num_drops, found.num_missing) == (2, 1, 0)
    bounded = rebalance(
        start, workers, even_costs(1, 2), replication=Replication(2), limits=BalanceLimits(max_loads=1)
    )
    assert (bounded.is_changed, bounded.num_missing) == (False, 1)


def test_replicas_that_share_a_node_part_when_another_joins() -> None:
    start = Placement(0, ("w0", "w1"), (((0, 1), (0, 1), (0, 1)),))
    workers = hosts_of(("a", 3), ("a", 3), ("b", 3))
    found = rebalance(start, workers, even_costs(1, 3), replication=Replication(2))
    assert all({workers[host].node for host in hosts} == {"a", "b"} for hosts in found.placement.hosts[0])


def test_a_worker_that_has_shrunk_keeps_what_it_holds_and_gets_nothing() -> None:
    start = Placement(0, ("w0", "w1"), (((0,), (0,), (0,), (1,)),))
    workers = hosts_of(("a", 2), ("b", 1))
    found = rebalance(start, workers, [[1.0, 1.0, 1.0, 9.0]], limits=EVERYTHING)
    assert num_held(found.placement, workers[0]) <= 3
    assert found.placement.is_whole
