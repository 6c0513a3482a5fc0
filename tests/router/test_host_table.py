"""Who is asked: a usable host, the one with the least to do; nobody where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.host_table import ROWS_OF_A_VISIT, HostTable
from router.placement import Placement

HOSTS = (((0,), (1,), (0, 1), (2,)), ((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2)))
PLACEMENT = Placement(3, ("a", "b", "c"), HOSTS)
ALL = {"a", "b", "c"}


def asked(table: HostTable, layer: int, experts: list[int]) -> list[int]:
    hosts: list[int] = table.hosts_for(layer, np.array(experts)).tolist()
    return hosts


def test_an_expert_with_one_host_goes_there_and_one_without_any_to_nobody() -> None:
    table = HostTable(PLACEMENT, {"a", "b"})
    assert asked(table, 0, [0, 1, 3])[:2] == [0, 1]
    assert asked(table, 0, [0, 1, 3])[3] == table.nobody == 3
    assert asked(HostTable(PLACEMENT, ()), 0, [0]) == [3, 3, 3, 3]


def test_a_replica_goes_to_the_worker_with_the_least_to_do() -> None:
    table = HostTable(PLACEMENT, ALL)
    assert asked(table, 0, [0, 0, 0, 2])[2] == 1
    assert asked(table, 0, [1, 1, 1, 2])[2] == 0


def test_a_visit_costs_as_much_as_some_rows() -> None:
    """Expert 0 has many rows; experts 1, 2 and 3 a visit each: two of them outweigh it."""
    table = HostTable(PLACEMENT, ALL)
    hosts = asked(table, 1, [0] * (ROWS_OF_A_VISIT // 2) + [1, 2, 3])
    assert len(set(hosts[:3])) == 3
    assert hosts[3] != hosts[0]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200), st.sets(st.sampled_from("abc")))
def test_whoever_is_asked_hosts_it_and_can_be_asked(experts: list[int], usable: set[str]) -> None:
    table = HostTable(PLACEMENT, usable)
    for layer in (0, 1):
        for expert, worker in enumerate(asked(table, layer, experts)):
            hosts = {host for host in HOSTS[layer][expert] if PLACEMENT.workers[host] in usable}
            assert worker in hosts or (not hosts and worker == table.nobody)


def test_even_work_is_shared_evenly() -> None:
    hosts = asked(HostTable(PLACEMENT, {"a", "c"}), 1, [0, 1, 2, 3] * 5)
    assert sorted(hosts) == [0, 0, 2, 2]


def test_without_some_workers_it_is_another_table() -> None:
    table = HostTable(PLACEMENT, ALL)
    assert table.without(()) is table
    assert table.without({"a"}).usable == {"b", "c"}
    assert asked(table.without({"a"}), 0, [0])[0] == table.nobody
    assert asked(table, 0, [0])[0] == 0


@pytest.mark.parametrize(("usable", "only"), [(ALL, None), ({"a", "b"}, None), ({"b"}, 1), (set(), 3)])
def test_a_worker_that_does_all_of_a_layer_is_known(usable: set[str], only: int | None) -> None:
    table = HostTable(PLACEMENT, usable)
    assert table.only_host(1) is None  # not looked at yet
    table.hosts_for(1, np.array([0]))
    assert table.only_host(1) == only


def test_a_layer_that_no_placement_knows_is_nobodys() -> None:
    assert asked(HostTable(Placement(0, (), ()), ()), 4, [2, 0]) == [0, 0, 0]
    assert asked(HostTable(PLACEMENT, ALL), 2, [3]) == [3, 3, 3, 3]
