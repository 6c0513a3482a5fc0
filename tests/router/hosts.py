"""Small meshes for the tests of placements: workers of uneven size on nodes, and random costs."""

from collections.abc import Sequence

from hypothesis import strategies as st

from router.expert_host import ExpertHost
from router.expert_loads import Costs
from router.placement import Placement
from router.replication import ReplicaRule, ReplicatedPart, Replication


def hosts_of(*places: tuple[str, int]) -> list[ExpertHost]:
    """(node, slots) of each worker; they are called w0, w1, …"""
    return [ExpertHost(f"w{number}", node, slots) for number, (node, slots) in enumerate(places)]


def num_held(placement: Placement, worker: ExpertHost) -> int:
    return sum(map(len, placement.experts_of(worker.name).values()))


def num_loads(before: Placement, after: Placement) -> int:
    """Experts that workers of `after` must load, as they did not hold them before."""
    return sum(
        len(set(experts) - set(before.experts_of(worker).get(layer, ())))
        for worker in after.workers
        for layer, experts in after.experts_of(worker).items()
    )


def most_on_one_node(hosts: Sequence[int], workers: Sequence[ExpertHost]) -> int:
    nodes = [workers[host].node for host in hosts]
    return max(map(nodes.count, nodes), default=0)


@st.composite
def meshes(draw: st.DrawFn) -> tuple[list[ExpertHost], int, int, int]:
    """Workers, layers, experts, replicas; they need not fit."""
    num_layers, num_experts = draw(st.integers(1, 3)), draw(st.integers(1, 7))
    slots = st.integers(0, num_layers * num_experts + 2)
    places = draw(st.lists(st.tuples(st.sampled_from("abc"), slots), min_size=1, max_size=5))
    return hosts_of(*places), num_layers, num_experts, draw(st.integers(1, 3))


def replications(num_layers: int, num_experts: int, every: int) -> st.SearchStrategy[Replication]:
    """`every`, and rules of all three kinds."""
    layers, experts = st.integers(0, num_layers - 1), st.integers(0, num_experts - 1)
    parts = st.one_of(
        st.builds(ReplicatedPart, layers),
        st.builds(lambda expert: ReplicatedPart(expert=expert), experts),
        st.builds(ReplicatedPart, layers, experts),
    )
    rules = st.lists(
        st.builds(ReplicaRule, parts, st.integers(1, 4)), max_size=3, unique_by=lambda rule: rule.part
    )
    return rules.map(lambda rules: Replication(every, tuple(rules)))


def costs_for(num_layers: int, num_experts: int) -> st.SearchStrategy[Costs]:
    cost = st.one_of(st.just(0.0), st.floats(0.125, 1000.0))
    layer = st.lists(cost, min_size=num_experts, max_size=num_experts)
    return st.lists(layer, min_size=num_layers, max_size=num_layers)
