"""Homes of experts as workers come, go and are lost. Where each expert goes is tested with the router."""

import pytest

from cluster.controller.layout import Layout
from protos.errors import DoesNotFitError, InvalidRequestError
from router.expert_host import ExpertHost
from router.expert_loads import even_costs
from router.placement import Placement
from router.replication import ReplicaRule, ReplicatedPart, Replication

LAYERS, EXPERTS = 3, 5
COSTS = even_costs(LAYERS, EXPERTS)
HOSTS = [ExpertHost("a", "x", 20), ExpertHost("b", "y", 20), ExpertHost("c", "z", 20)]


def layout_on(count: int, replicas: int = 1) -> Layout:
    return Layout(LAYERS, EXPERTS, Replication(replicas)).fitted(HOSTS[:count], COSTS)


def home_of(layout: Layout) -> Placement:
    assert layout.home is not None
    return layout.home


def num_held(placement: Placement, name: str) -> int:
    return sum(map(len, placement.experts_of(name).values()))


def test_the_first_home_is_even_and_whole() -> None:
    home = home_of(layout_on(3))
    assert home.is_whole
    assert [num_held(home, name) for name in "abc"] == [5, 5, 5]


def test_the_same_workers_change_nothing() -> None:
    layout = layout_on(3)
    assert layout.fitted(HOSTS[::-1], COSTS) is layout


def test_a_worker_that_comes_gets_its_part() -> None:
    home = home_of(layout_on(2).fitted(HOSTS, COSTS))
    assert num_held(home, "c") >= 4
    assert home.is_whole


def test_a_worker_that_goes_leaves_nothing_behind() -> None:
    home = home_of(layout_on(3).fitted(HOSTS[1:], COSTS))
    assert home.workers == ("b", "c")
    assert home.is_whole


def test_fewer_workers_than_replicas_have_all_of_them() -> None:
    home = home_of(layout_on(2, replicas=3))
    assert all(hosts == (0, 1) for experts in home.hosts for hosts in experts)


def test_no_room_is_said() -> None:
    small = [ExpertHost("a", "x", 7), ExpertHost("b", "y", 7)]
    with pytest.raises(DoesNotFitError):
        Layout(LAYERS, EXPERTS, Replication(1)).fitted(small, COSTS)


def test_replication_is_raised_where_there_is_room() -> None:
    home = home_of(layout_on(3).replicated(Replication(2), COSTS))
    assert all(len(hosts) >= 2 for experts in home.hosts for hosts in experts)
    with pytest.raises(DoesNotFitError):
        Layout(LAYERS, EXPERTS, Replication(1)).fitted(
            [ExpertHost("a", "x", 15), ExpertHost("b", "y", 8)], COSTS
        ).replicated(Replication(2), COSTS)


def num_hosts(home: Placement) -> list[list[int]]:
    return [list(map(len, experts)) for experts in home.hosts]


HOT = ReplicaRule(ReplicatedPart(1, 4), 3)


def test_one_expert_gets_more_hosts_and_gives_them_back_and_nothing_else_moves() -> None:
    layout = layout_on(3)
    raised = layout.replicated(Replication(1, (HOT,)), COSTS)
    assert num_hosts(home_of(raised)) == [[1] * 5, [1, 1, 1, 1, 3], [1] * 5]
    lowered = raised.replicated(Replication(), COSTS)
    assert num_hosts(home_of(lowered)) == [[1] * 5] * 3
    for before, after in ((layout, raised), (raised, lowered)):
        moved = [
            (layer, expert)
            for layer in range(LAYERS)
            for expert in range(EXPERTS)
            if home_of(before).hosts[layer][expert] != home_of(after).hosts[layer][expert]
        ]
        assert moved == [(1, 4)]


def test_a_rule_follows_the_workers() -> None:
    layout = layout_on(2).replicated(Replication(1, (HOT,)), COSTS)
    assert num_hosts(home_of(layout))[1][4] == 2
    assert num_hosts(home_of(layout.fitted(HOSTS, COSTS)))[1][4] == 3


def test_a_rule_without_room_is_refused_when_it_is_said() -> None:
    exact = [ExpertHost(name, node, 5) for name, node in (("a", "x"), ("b", "y"), ("c", "z"))]
    layout = Layout(LAYERS, EXPERTS, Replication()).fitted(exact, COSTS)
    with pytest.raises(DoesNotFitError, match="2 of the replicas that are asked for have no room on the 3"):
        layout.replicated(Replication(1, (HOT,)), COSTS)
    assert layout.shortage is None


def test_a_rule_that_has_lost_its_room_is_kept_as_far_as_can_be() -> None:
    layout = layout_on(3).replicated(Replication(1, (HOT,)), COSTS)
    tight = layout.fitted([ExpertHost("a", "x", 8), ExpertHost("b", "y", 7)], COSTS)
    assert home_of(tight).is_whole
    assert tight.num_missing == 1
    assert "1 of the replicas" in str(tight.shortage)


def test_there_are_no_rules_for_what_the_model_does_not_have() -> None:
    for part, words in (
        (ReplicatedPart(3, 0), "there is no layer 3; the model has layers 0 to 2"),
        (ReplicatedPart(expert=5), "there is no expert 5; the model has experts 0 to 4"),
    ):
        with pytest.raises(InvalidRequestError, match=words):
            layout_on(3).replicated(Replication(1, (ReplicaRule(part, 2),)), COSTS)


def test_lost_workers_are_stood_in_for_and_nothing_else_moves() -> None:
    layout = layout_on(3)
    home, goal = home_of(layout), layout.goal({"b"})
    assert goal.is_whole
    assert "b" not in goal.workers
    for name in "ac":
        for layer, experts in home.experts_of(name).items():
            assert set(experts) <= set(goal.experts_of(name)[layer])
    assert layout.goal(()) is home


def test_what_is_found_stays_where_it_is_and_is_completed() -> None:
    found = Placement(8, ("a", "b"), (((0,), (0,), (1,), (1,), ()), ((0,),) * 5, ((1,),) * 5))
    layout = Layout(LAYERS, EXPERTS, Replication(2)).adopted(found, HOSTS, COSTS)
    home = home_of(layout)
    assert all(len(hosts) == 2 for experts in home.hosts for hosts in experts)
    for name in "ab":
        for layer, experts in found.experts_of(name).items():
            assert set(experts) <= set(home.experts_of(name)[layer])
    assert layout.fitted(HOSTS, COSTS) is layout


def test_a_worker_that_is_found_empty_gets_its_share() -> None:
    """The others may hold all there is, and more often than is asked for, from when it was away."""
    found = Placement(8, ("a", "b"), (((0, 1),) * 5,) * 3)
    layout = Layout(LAYERS, EXPERTS, Replication(2)).adopted(found, HOSTS, COSTS)
    assert any(home_of(layout).experts_of("c").values())
    assert home_of(layout).is_whole
    assert layout.fitted(HOSTS, COSTS) is layout
