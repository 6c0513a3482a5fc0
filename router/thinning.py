"""Replicas that nobody asks for any more, taken out of a placement.

An expert gets as many hosts fewer as it is wished to have fewer, so what a hot one has beyond any wish it
keeps. Not here: the wishes (`router.replication`), moving what is left. The controller calls this. Pure.
"""

from collections.abc import Sequence

from router.expert_host import ExpertHost
from router.expert_loads import Costs
from router.hosting import Hosting, Pair
from router.placement import Placement
from router.replication import LeastHosts


def thinned(
    placement: Placement,
    workers: Sequence[ExpertHost],
    costs: Costs,
    before: LeastHosts,
    after: LeastHosts,
) -> Placement:
    """`before` and `after`: how many hosts are wished; none has fewer than it shall have after."""
    hosting = Hosting(placement, workers, costs)
    for pair in hosting.pairs():
        wished, wished_before = after[pair.layer][pair.expert], before[pair.layer][pair.expert]
        num_kept = max(wished, len(hosting.hosts(pair)) - max(0, wished_before - wished))
        while len(hosting.hosts(pair)) > num_kept:
            hosting.drop(pair, _least_useful(hosting, pair))
    return hosting.placement(placement.epoch)


def _least_useful(hosting: Hosting, pair: Pair) -> int:
    """The host with the most to do, of those without which the others are still on different nodes."""
    loads = hosting.loads[pair.layer]
    return max(hosting.hosts(pair), key=lambda host: (hosting.may_leave(pair, host), loads[host], host))
