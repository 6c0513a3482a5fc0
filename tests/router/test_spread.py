"""The first placement: even, within every worker's room, replicas apart; or a refusal in words."""

import pytest
from hypothesis import given, settings

from protos.errors import DoesNotFitError
from router.expert_host import ExpertHost
from router.expert_loads import even_costs, imbalance
from router.spread import spread
from tests.router.hosts import hosts_of, meshes, most_on_one_node, num_held


@given(meshes())
@settings(max_examples=400, deadline=None)
def test_every_expert_has_its_replicas_apart_and_within_room(
    mesh: tuple[list[ExpertHost], int, int, int],
) -> None:
    workers, num_layers, num_experts, replicas = mesh
    num_pairs = num_layers * num_experts
    nodes = {worker.node for worker in workers if worker.num_slots}
    most_of_node = num_pairs * -(-replicas // max(len(nodes), 1))
    rooms = [
        min(most_of_node, sum(min(each.num_slots, num_pairs) for each in workers if each.node == node))
        for node in nodes
    ]
    usable = sum(worker.num_slots > 0 for worker in workers)
    fits = usable >= replicas and sum(rooms) >= num_pairs * replicas
    if not fits:
        with pytest.raises(DoesNotFitError, match="add workers"):
            spread(workers, num_layers=num_layers, num_experts=num_experts, replicas=replicas)
        return
    placement = spread(workers, num_layers=num_layers, num_experts=num_experts, replicas=replicas)
    assert all(num_held(placement, worker) <= worker.num_slots for worker in workers)
    for hosts in (hosts for layer in placement.hosts for hosts in layer):
        assert len(hosts) == replicas
        assert most_on_one_node(hosts, workers) <= -(-replicas // len(nodes))


def test_workers_of_one_size_get_neighbours_and_parts_that_differ_by_one() -> None:
    workers = hosts_of(*[(f"n{number}", 99) for number in range(3)])
    placement = spread(workers, num_layers=5, num_experts=7, epoch=4)
    assert placement.epoch == 4
    counts = [len(placement.experts_of(worker.name)[layer]) for worker in workers for layer in range(5)]
    assert set(counts) == {2, 3}
    assert [num_held(placement, worker) for worker in workers] == [12, 12, 11]
    for worker in workers:
        for experts in placement.experts_of(worker.name).values():
            assert (experts[-1] - experts[0]) % 7 == len(experts) - 1 or experts[0] == 0


def test_a_small_worker_is_filled_and_the_others_share_the_rest() -> None:
    workers = hosts_of(("a", 4), ("b", 100), ("c", 100))
    placement = spread(workers, num_layers=4, num_experts=9)
    assert [num_held(placement, worker) for worker in workers] == [4, 16, 16]
    assert all(len(placement.experts_of("w0")[layer]) == 1 for layer in range(4))


def test_the_120b_in_two_replicas_on_four_nodes_is_even() -> None:
    workers = hosts_of(*[(f"n{number // 2}", 4608) for number in range(8)])
    placement = spread(workers, num_layers=36, num_experts=128, replicas=2)
    assert imbalance(placement, even_costs(36, 128)) == 1.0
    assert all(most_on_one_node(hosts, workers) == 1 for layer in placement.hosts for hosts in layer)


def test_what_does_not_fit_says_what_is_missing() -> None:
    with pytest.raises(
        DoesNotFitError, match="14 experts with 2 replicas each take 28 slots; the 2 workers on 2"
    ):
        spread(hosts_of(("a", 20), ("b", 13)), num_layers=2, num_experts=7, replicas=2)
    with pytest.raises(DoesNotFitError, match="3 replicas of every expert need as many workers"):
        spread(hosts_of(("a", 20), ("b", 20), ("c", 0)), num_layers=2, num_experts=7, replicas=3)
