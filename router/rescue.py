"""After workers were lost: hosts for the experts that have none, on the survivors, and nothing else is moved.

Only where a survivor is full does it give up one of several replicas of another expert. The replicas that are
missing then, and an even load, are a matter for `router.balance`, later. The controller calls this. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from router.expert_host import ExpertHost
from router.expert_loads import Costs, even_costs
from router.hosting import Hosting, Pair
from router.placement import Placement
from router.replication import ONE_OF_EACH, Replication


@dataclass(frozen=True, slots=True)
class Rescue:
    """The next placement, and the experts that still have no host because there is no room."""

    placement: Placement
    num_loads: int  # experts that the survivors must load
    without_host: tuple[Pair, ...]

    def __str__(self) -> str:
        if not self.without_host:
            return f"the survivors load {self.num_loads} experts"
        layer, expert = self.without_host[0]
        return (
            f"{len(self.without_host)} experts have no host and fit on no survivor, the first is expert "
            f"{expert} of layer {layer}; add a worker, or give the workers more memory"
        )


def rescue(
    placement: Placement,
    workers: Sequence[ExpertHost],
    costs: Costs | None = None,
    *,
    replication: Replication = ONE_OF_EACH,
) -> Rescue:
    """`workers` are those that are left; what the placement says of others is forgotten.

    Replicas that `replication` asks for make way last.
    """
    costs = costs or even_costs(placement.num_layers, placement.num_experts)
    hosting = Hosting(placement, workers, costs, replication)
    lost = sorted(
        (pair for pair in hosting.pairs() if not hosting.hosts(pair)),
        key=lambda pair: (-hosting.cost(pair), pair),
    )
    without_host = [pair for pair in lost if not (place(hosting, pair) or make_way(hosting, pair))]
    return Rescue(hosting.placement(placement.epoch + 1), hosting.num_loads, tuple(sorted(without_host)))


def place(hosting: Hosting, pair: Pair) -> bool:
    """One more host for this expert, where there is room or where a spare replica makes some."""
    allowed = candidates(hosting, pair)
    roomy = next((worker for worker in allowed if hosting.room[worker] > 0), None)
    if roomy is not None:
        hosting.add(pair, roomy)
        return True
    return _take_place(hosting, pair, allowed, hosting.coldest_spares())


def make_way(hosting: Hosting, pair: Pair) -> bool:
    """For an expert without any host, a replica goes that another one is wished to have."""
    spares = hosting.coldest_spares(but_for_the_last=True)
    return _take_place(hosting, pair, candidates(hosting, pair), spares)


def _take_place(hosting: Hosting, pair: Pair, allowed: Sequence[int], spares: Mapping[int, Pair]) -> bool:
    """Of a spare replica of another expert."""
    for worker in allowed:
        if worker in spares and hosting.room[worker] == 0:
            hosting.drop(spares[worker], worker)
            hosting.add(pair, worker)
            return True
    return False


def candidates(hosting: Hosting, pair: Pair) -> list[int]:
    """Workers that the rules allow, those with the least to do in this layer first, then those with room."""
    loads = hosting.loads[pair.layer]
    allowed = [worker for worker in hosting.workers if hosting.may_host(pair, worker)]
    return sorted(allowed, key=lambda worker: (loads[worker], -hosting.room[worker], worker))
