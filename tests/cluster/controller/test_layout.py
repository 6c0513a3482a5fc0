"""Homes of experts as workers come, go and are lost. Where each expert goes is tested with the router."""

import pytest

from cluster.controller.layout import Layout
from protos.errors import DoesNotFitError
from router.expert_host import ExpertHost
from router.expert_loads import even_costs
from router.placement import Placement

LAYERS, EXPERTS = 3, 5
COSTS = even_costs(LAYERS, EXPERTS)
HOSTS = [ExpertHost("a", "x", 20), ExpertHost("b", "y", 20), ExpertHost("c", "z", 20)]


def layout_on(count: int, replicas: int = 1) -> Layout:
    return Layout(LAYERS, EXPERTS, replicas).fitted(HOSTS[:count], COSTS)


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
        Layout(LAYERS, EXPERTS, 1).fitted(small, COSTS)


def test_replication_is_raised_where_there_is_room() -> None:
    home = home_of(layout_on(3).replicated(2, COSTS))
    assert all(len(hosts) >= 2 for experts in home.hosts for hosts in experts)
    with pytest.raises(DoesNotFitError):
        Layout(LAYERS, EXPERTS, 1).fitted(
            [ExpertHost("a", "x", 15), ExpertHost("b", "y", 8)], COSTS
        ).replicated(2, COSTS)


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
    layout = Layout(LAYERS, EXPERTS, 2).adopted(found, HOSTS, COSTS)
    home = home_of(layout)
    assert all(len(hosts) == 2 for experts in home.hosts for hosts in experts)
    for name in "ab":
        for layer, experts in found.experts_of(name).items():
            assert set(experts) <= set(home.experts_of(name)[layer])
    assert layout.fitted(HOSTS, COSTS) is layout
