"""From a placement and measured loads to a better placement, in few moves.

First what must be: every expert has its replicas, on nodes of their own. Then, as long as it is worth its
price, the busiest worker of a layer gives an expert away, exchanges one for a colder one, or gets help: a
replica in a slot that is free, or that a spare replica of a colder expert held. The search is greedy and
draws nothing, so the same loads give the same placement.

Not here: the first placement (`router.spread`), lost workers (`router.rescue`), measuring, and loading. The
controller calls this while traffic runs. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from router.expert_host import ExpertHost
from router.expert_loads import Costs, imbalance
from router.hosting import Hosting, Pair
from router.placement import Placement
from router.replication import ONE_OF_EACH, Replication
from router.rescue import candidates, make_way, place

_SHARPNESS = 8
"""Of the norm that stands for the busiest worker: high, but so that the second busiest counts a little."""

_NO_LIMIT = 1 << 30

_MOST_PARTNERS = 3
"""How many of the least busy workers are tried as partners of the busiest."""


@dataclass(frozen=True, slots=True)
class BalanceLimits:
    """What a new placement may cost, and what it must bring."""

    max_loads: int = 64  # experts that workers load, at most
    least_gain: float = 0.01  # of a layer's mean load, for each expert that is loaded


@dataclass(frozen=True, slots=True)
class Balance:
    """The next placement, and why."""

    placement: Placement
    num_loads: int  # experts that workers must load before it can be published
    num_drops: int  # experts that workers may forget afterwards
    num_missing: int  # replicas that are wanted and have no place yet: no room, or the limit was reached
    imbalance: float
    imbalance_before: float

    @property
    def is_changed(self) -> bool:
        return bool(self.num_loads or self.num_drops)


class _Change(NamedTuple):
    """What is dropped, then what is added."""

    drops: tuple[tuple[Pair, int], ...]
    adds: tuple[tuple[Pair, int], ...]


def rebalance(
    previous: Placement,
    workers: Sequence[ExpertHost],
    costs: Costs,
    *,
    replication: Replication = ONE_OF_EACH,
    limits: BalanceLimits = BalanceLimits(),
) -> Balance:
    """`workers` may be others than before; one that holds more than its slots is given nothing more.

    `costs` come from `LoadCost.table`. If no replica is missing, the layers together take no longer.
    """
    hosting = Hosting(previous, workers, costs, replication)
    return _balance(hosting, previous.epoch, costs, limits.max_loads, _Search(hosting, limits))


def completed(
    previous: Placement, workers: Sequence[ExpertHost], costs: Costs, replication: Replication = ONE_OF_EACH
) -> Balance:
    """Only what must be, at any price: nothing is moved for the sake of load."""
    hosting = Hosting(previous, workers, costs, replication)
    return _balance(hosting, previous.epoch, costs, _NO_LIMIT, None)


def _balance(hosting: Hosting, epoch: int, costs: Costs, max_loads: int, search: "_Search | None") -> Balance:
    before = imbalance(hosting.placement(epoch), costs)
    num_before = hosting.num_hosted
    _complete(hosting, max_loads)
    _separate(hosting, max_loads)
    _complete(hosting, max_loads)  # who has moved away may have made room
    if search is not None:
        search.run()
    placement = hosting.placement(epoch + 1)
    return Balance(
        placement=placement,
        num_loads=hosting.num_loads,
        num_drops=num_before + hosting.num_loads - hosting.num_hosted,
        num_missing=hosting.num_missing,
        imbalance=imbalance(placement, costs),
        imbalance_before=before,
    )


def _complete(hosting: Hosting, max_loads: int) -> None:
    """Hosts for the experts with the fewest first; where one fits nowhere, another makes way for it."""
    wanting = [pair for pair in hosting.pairs() if hosting.num_spare(pair) < 0]
    wanting.sort(key=lambda pair: (-hosting.cost(pair), pair))
    for wanted in range(1, max(map(hosting.least, wanting), default=0) + 1):
        for pair in wanting:
            is_wanting = len(hosting.hosts(pair)) < min(wanted, hosting.least(pair))
            if is_wanting and hosting.num_loads < max_loads:
                has_host = place(hosting, pair) or _displace(hosting, pair, max_loads) or hosting.hosts(pair)
                _ = has_host or make_way(hosting, pair)


def _displace(hosting: Hosting, pair: Pair, max_loads: int) -> bool:
    """Another expert goes from a full worker to one with room, and this one takes its slot."""
    if hosting.num_loads + 2 > max_loads:
        return False
    roomy = [worker for worker in hosting.workers if hosting.room[worker] > 0]
    for full in candidates(hosting, pair) if roomy else ():
        for other in hosting.all_experts_of(full) if hosting.room[full] == 0 else ():
            target = next((each for each in roomy if hosting.may_host(other, each, leaving=full)), None)
            if target is not None:
                hosting.drop(other, full)
                hosting.add(other, target)
                hosting.add(pair, full)
                return True
    return False


def _separate(hosting: Hosting, max_loads: int) -> None:
    """Replicas that share a node although there are others, as when a node has joined."""
    for pair in hosting.pairs():
        crowded = hosting.crowded_host(pair)
        if crowded is None or hosting.num_loads >= max_loads:
            continue
        targets = [
            worker
            for worker in hosting.workers
            if hosting.room[worker] > 0 and hosting.may_host(pair, worker, leaving=crowded)
        ]
        if targets:
            hosting.drop(pair, crowded)
            hosting.add(pair, min(targets, key=lambda worker: (hosting.loads[pair.layer][worker], worker)))


class _Search:
    """Changes that shorten a layer, tried on the hosting itself and taken back."""

    def __init__(self, hosting: Hosting, limits: BalanceLimits) -> None:
        self._hosting = hosting
        self._limits = limits

    def run(self) -> None:
        """Always the change that brings most, until a look at every layer finds none that is worth it."""
        while self._run_down(self._ranked()):
            pass

    def _ranked(self) -> list[tuple[float, int]]:
        """A heap of the layers where a change is worth it, the best on top."""
        gains = ((self._best(layer)[0], layer) for layer in range(len(self._hosting.loads)))
        heap = [(-gain, layer) for gain, layer in gains if gain]
        heapify(heap)
        return heap

    def _run_down(self, heap: list[tuple[float, int]]) -> bool:
        """-> whether anything was changed."""
        is_changed = False
        while heap:
            _, layer = heappop(heap)
            gain, change = self._best(layer)  # anew: another layer may have taken the slot
            if change is None:
                continue
            if heap and gain < -heap[0][0]:
                heappush(heap, (-gain, layer))
                continue
            self._apply(change)
            is_changed = True
            heappush(heap, (-gain, layer))  # as a guess, until it is on top
        return is_changed

    def _best(self, layer: int) -> tuple[float, _Change | None]:
        """What brings most for each expert that is loaded, if anything is worth it."""
        best: tuple[float, _Change | None] = (0.0, None)
        for change in self._changes(layer):
            gain = self._gain(change, layer)
            if gain > best[0]:
                best = (gain, change)
        return best

    def _gain(self, change: _Change, layer: int) -> float:
        """Per expert that is loaded; 0 for what is not allowed, or not worth it."""
        hosting = self._hosting
        layers = {pair.layer for pair, _ in change.drops + change.adds}
        busiest, norm = self._lengths(layers)
        loads_before = hosting.num_loads
        self._apply(change)
        busiest_after, norm_after = self._lengths(layers)
        num_loads, all_loads = hosting.num_loads - loads_before, hosting.num_loads
        self._apply(_Change(change.adds, change.drops))
        gain, mean = norm - norm_after, sum(hosting.loads[layer]) / len(hosting.workers)
        worth = max(num_loads, 0) * self._limits.least_gain * mean + 1e-9 * mean
        is_bounded = num_loads <= 0 or all_loads <= self._limits.max_loads
        if not is_bounded or busiest_after > busiest * (1 + 1e-12) or gain <= worth:
            return 0.0
        return gain / max(num_loads, 0.5)

    def _lengths(self, layers: set[int]) -> tuple[float, float]:
        """What the busiest workers of these layers have to do, and the norm that stands for it."""
        busiest = norm = 0.0
        for layer in layers:
            loads = self._hosting.loads[layer]
            most = max(loads)
            busiest += most
            norm += (
                most * sum((load / most) ** _SHARPNESS for load in loads) ** (1 / _SHARPNESS) if most else 0.0
            )
        return busiest, norm

    def _changes(self, layer: int) -> Iterator[_Change]:
        """All that takes something off the layer's busiest worker."""
        hosting = self._hosting
        loads = hosting.loads[layer]
        busiest = max(hosting.workers, key=lambda worker: (loads[worker], -worker))
        spares = hosting.coldest_spares()
        others = sorted(hosting.workers, key=lambda worker: (loads[worker], worker))[:_MOST_PARTNERS]
        others = [worker for worker in others if loads[worker] < loads[busiest]]
        held = {
            worker: [(hosting.share(other), other) for other in hosting.experts_of(layer, worker)]
            for worker in others
        }
        for pair in hosting.experts_of(layer, busiest):
            if hosting.num_spare(pair) > 0 and hosting.may_leave(pair, busiest):
                yield _Change(((pair, busiest),), ())
            for worker in others:
                yield from self._into_slot(pair, busiest, worker, spares.get(worker))
                yield from self._exchange(pair, busiest, worker, held[worker])

    def _into_slot(self, pair: Pair, busiest: int, worker: int, spare: Pair | None) -> Iterator[_Change]:
        """A replica, or all of it."""
        hosting = self._hosting
        if hosting.room[worker] > 0:
            freed: tuple[tuple[Pair, int], ...] = ()
        elif spare is not None and spare != pair and hosting.room[worker] == 0:
            freed = ((spare, worker),)
        else:
            return
        if hosting.may_host(pair, worker):
            yield _Change(freed, ((pair, worker),))
        if hosting.may_host(pair, worker, leaving=busiest):
            yield _Change((*freed, (pair, busiest)), ((pair, worker),))

    def _exchange(
        self, pair: Pair, busiest: int, worker: int, held: list[tuple[float, Pair]]
    ) -> Iterator[_Change]:
        """For the one colder expert of this worker that evens the two out best."""
        hosting = self._hosting
        if not hosting.may_host(pair, worker, leaving=busiest):
            return
        loads = hosting.loads[pair.layer]
        share, wanted = hosting.share(pair), (loads[busiest] - loads[worker]) / 2
        colder = [(abs(share - its - wanted), other) for its, other in held if its < share]
        for _, other in sorted(colder):
            if hosting.may_host(other, busiest, leaving=worker):
                yield _Change(((pair, busiest), (other, worker)), ((pair, worker), (other, busiest)))
                return

    def _apply(self, change: _Change) -> None:
        for pair, worker in change.drops:
            self._hosting.drop(pair, worker)
        for pair, worker in change.adds:
            self._hosting.add(pair, worker)
