"""A placement while it is being changed: who hosts what, the room that is left, the load of every layer.

It keeps the rules: no worker hosts an expert twice, the replicas of an expert are spread over nodes as evenly
as there are nodes, and no worker is given more than it has room for. Not here: which change is a good one
(`router.balance`, `router.rescue`, the only callers). Pure.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

from router.expert_host import ExpertHost
from router.expert_loads import Costs
from router.placement import Placement
from router.replication import ONE_OF_EACH, Replication


class Pair(NamedTuple):
    """One expert of one layer."""

    layer: int
    expert: int


class Hosting:
    """Starts as `previous`, as far as its workers are still there."""

    def __init__(
        self,
        previous: Placement,
        workers: Sequence[ExpertHost],
        costs: Costs,
        replication: Replication = ONE_OF_EACH,
    ) -> None:
        self._workers = tuple(workers)
        self._costs = costs
        self._nodes = [worker.node for worker in workers]
        self._num_nodes = len({worker.node for worker in workers if worker.num_slots})
        num_usable = sum(worker.num_slots > 0 for worker in workers)
        self._least = replication.limited(num_usable).least_hosts(previous.num_layers, previous.num_experts)
        self.room = [worker.num_slots for worker in workers]  # below zero where a worker has shrunk
        self.loads = [[0.0] * len(workers) for _ in previous.hosts]  # [layers][workers]
        self._hosts = [[_renumbered(hosts, previous, workers) for hosts in layer] for layer in previous.hosts]
        self._before = {
            (pair, worker) for pair in self.pairs() for worker in self._hosts[pair.layer][pair.expert]
        }
        for _, worker in self._before:
            self.room[worker] -= 1
        self.num_loads = 0  # experts that workers must load, as they do not hold them
        self._with_spares = {pair for pair in self.pairs() if self.num_spare(pair) > 0}
        for pair in self.pairs():
            self._load(pair, 1.0)

    def pairs(self) -> Iterator[Pair]:
        for layer, experts in enumerate(self._hosts):
            for expert in range(len(experts)):
                yield Pair(layer, expert)

    @property
    def workers(self) -> range:
        return range(len(self._workers))

    def hosts(self, pair: Pair) -> Sequence[int]:
        return self._hosts[pair.layer][pair.expert]

    def experts_of(self, layer: int, worker: int) -> list[Pair]:
        return [Pair(layer, expert) for expert, hosts in enumerate(self._hosts[layer]) if worker in hosts]

    def all_experts_of(self, worker: int) -> Iterator[Pair]:
        return (pair for layer in range(len(self._hosts)) for pair in self.experts_of(layer, worker))

    @property
    def num_hosted(self) -> int:
        """Replicas of all experts together."""
        return sum(len(self.hosts(pair)) for pair in self.pairs())

    def cost(self, pair: Pair) -> float:
        return self._costs[pair.layer][pair.expert]

    def share(self, pair: Pair) -> float:
        """What each of its hosts has of its load."""
        return self.cost(pair) / max(len(self.hosts(pair)), 1)

    def may_host(self, pair: Pair, worker: int, leaving: int | None = None) -> bool:
        """Whether the rules allow one host more, or one instead of `leaving`; room is another question."""
        hosts = [host for host in self.hosts(pair) if host != leaving]
        if worker in hosts or not self._workers[worker].num_slots:
            return False
        on_node = sum(self._nodes[host] == self._nodes[worker] for host in hosts)
        return on_node < -(-(len(hosts) + 1) // self._num_nodes)

    def may_leave(self, pair: Pair, worker: int) -> bool:
        """Whether the others keep to the rules when it goes, and are any."""
        others = [host for host in self.hosts(pair) if host != worker]
        return bool(others) and self._crowded(others) is None

    def crowded_host(self, pair: Pair) -> int | None:
        """A host on a node that has more of the replicas than it should."""
        return self._crowded(self.hosts(pair))

    def _crowded(self, hosts: Sequence[int]) -> int | None:
        most = -(-len(hosts) // max(self._num_nodes, 1))
        on_node = [self._nodes[host] for host in hosts]
        return next((host for host in hosts if on_node.count(self._nodes[host]) > most), None)

    def add(self, pair: Pair, worker: int) -> None:
        self._load(pair, -1.0)
        self._hosts[pair.layer][pair.expert].append(worker)
        self.room[worker] -= 1
        self.num_loads += (pair, worker) not in self._before
        self._changed(pair)

    def drop(self, pair: Pair, worker: int) -> None:
        self._load(pair, -1.0)
        self._hosts[pair.layer][pair.expert].remove(worker)
        self.room[worker] += 1
        self.num_loads -= (pair, worker) not in self._before
        self._changed(pair)

    def least(self, pair: Pair) -> int:
        """Hosts that it shall have, as far as there are workers."""
        return self._least[pair.layer][pair.expert]

    def num_spare(self, pair: Pair) -> int:
        """Hosts more than that; below zero so many are missing."""
        return len(self.hosts(pair)) - self.least(pair)

    @property
    def num_missing(self) -> int:
        """Of all experts together."""
        return sum(max(0, -self.num_spare(pair)) for pair in self.pairs())

    def coldest_spares(self, *, but_for_the_last: bool = False) -> dict[int, Pair]:
        """For every worker that has one, the least wanted of its experts with more hosts than they need.

        `but_for_the_last`: with more than one.
        """
        coldest: dict[int, tuple[float, Pair]] = {}
        several = (pair for pair in self.pairs() if len(self.hosts(pair)) > 1)
        for pair in several if but_for_the_last else self._with_spares:
            for host in self.hosts(pair):
                spare = (self.share(pair), pair)
                if spare < coldest.get(host, (inf, pair)) and self.may_leave(pair, host):
                    coldest[host] = spare
        return {host: pair for host, (_, pair) in coldest.items()}

    def placement(self, epoch: int) -> Placement:
        hosts = tuple(tuple(tuple(sorted(each)) for each in layer) for layer in self._hosts)
        return Placement(epoch, tuple(worker.name for worker in self._workers), hosts)

    def _changed(self, pair: Pair) -> None:
        self._load(pair, 1.0)
        if self.num_spare(pair) > 0:
            self._with_spares.add(pair)
        else:
            self._with_spares.discard(pair)

    def _load(self, pair: Pair, sign: float) -> None:
        share = sign * self.share(pair)
        loads = self.loads[pair.layer]
        for host in self.hosts(pair):
            loads[host] += share


def _renumbered(hosts: Sequence[int], previous: Placement, workers: Sequence[ExpertHost]) -> list[int]:
    numbers = {worker.name: number for number, worker in enumerate(workers)}
    names = (previous.workers[host] for host in hosts)
    return [numbers[name] for name in names if name in numbers]
