"""Replicas that nobody asks for any more go; none that is asked for, and none that was there beside."""

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from protos.errors import DoesNotFitError
from router.balance import BalanceLimits, rebalance
from router.expert_host import ExpertHost
from router.placement import Placement
from router.replication import Replication
from router.spread import spread
from router.thinning import thinned
from tests.router.hosts import costs_for, hosts_of, meshes, replications


@given(meshes(), st.data())
@settings(max_examples=300, deadline=None)
def test_as_many_fewer_as_the_wish_is_smaller(
    mesh: tuple[list[ExpertHost], int, int, int], data: st.DataObject
) -> None:
    workers, num_layers, num_experts, every = mesh
    asked, wished = (data.draw(replications(num_layers, num_experts, each)) for each in (every, 1))
    try:
        whole = spread(workers, num_layers=num_layers, num_experts=num_experts)
    except DoesNotFitError:
        reject()
    costs = data.draw(costs_for(num_layers, num_experts))
    limits = BalanceLimits(max_loads=1000, least_gain=data.draw(st.sampled_from([0.0, 1e9])))
    home = rebalance(whole, workers, costs, replication=asked, limits=limits).placement
    before, after = (each.least_hosts(num_layers, num_experts) for each in (asked, wished))
    thin = thinned(home, workers, costs, before, after)
    for layer in range(num_layers):
        for expert in range(num_experts):
            had, has = home.hosts[layer][expert], thin.hosts[layer][expert]
            fewer = max(0, before[layer][expert] - after[layer][expert])
            assert set(has) <= set(had)
            assert len(has) == min(len(had), max(after[layer][expert], len(had) - fewer))


def test_the_busiest_goes_unless_the_others_would_share_a_node() -> None:
    workers = hosts_of(("a", 3), ("a", 3), ("b", 3))
    home = Placement(0, ("w0", "w1", "w2"), (((0, 1, 2), (2,), (1,)),))
    costs, before = [[3.0, 9.0, 1.0]], [[3, 1, 1]]
    assert thinned(home, workers, costs, before, [[2, 1, 1]]).hosts[0][0] == (0, 2)
    assert thinned(home, workers, costs, before, [[1, 1, 1]]).hosts[0][0] == (0,)
    assert Replication(1).least_hosts(1, 3) == [[1, 1, 1]]
