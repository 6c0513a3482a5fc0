"""Which worker shall host which experts: the home of every expert, and where it lives while a worker is lost.

A home changes when workers come or go for good, when replication is set and when load is rebalanced. While a
worker is lost its experts are rescued onto others, and go home when it is back. Pure: the controller tells
it who is there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from protos.errors import DoesNotFitError
from router.balance import Balance, BalanceLimits, completed, rebalance
from router.expert_host import ExpertHost
from router.expert_loads import Costs
from router.placement import Placement
from router.replication import Replication
from router.rescue import rescue
from router.spread import spread
from router.thinning import thinned

_NO_LIMIT = BalanceLimits(max_loads=1 << 30)


@dataclass(frozen=True, slots=True)
class Layout:
    """Immutable: each change makes another."""

    num_layers: int
    num_experts: int
    replication: Replication
    home: Placement | None = None
    workers: tuple[ExpertHost, ...] = ()  # those of the home
    num_missing: int = 0  # replicas that rules ask for, and that have no place in the home

    def fitted(self, workers: Sequence[ExpertHost], costs: Costs) -> "Layout":
        """For these workers, who may be others than before. Raises DoesNotFitError, in words."""
        in_order = tuple(sorted(workers, key=lambda worker: worker.name))
        if in_order == self.workers and self.home is not None:
            return self
        wholly_new = self.home is None or not any(worker.name in self.home.workers for worker in in_order)
        placed = self._spread(in_order)
        if self.home is None or wholly_new:
            return self._with_home(completed(placed, in_order, costs, self.replication), in_order)
        moved = rebalance(self.home, in_order, costs, replication=self.replication, limits=_NO_LIMIT)
        return self._with_home(moved, in_order)

    def replicated(self, replication: Replication, costs: Costs) -> "Layout":
        """So many hosts, as far as workers have come; nothing else moves.

        Raises InvalidRequestError or DoesNotFitError, in words.
        """
        before = self.replication.least_hosts(self.num_layers, self.num_experts)
        after = replication.least_hosts(self.num_layers, self.num_experts)
        changed = replace(self, replication=replication)
        if self.home is None:
            return changed
        changed._spread(self.workers)
        thinner = thinned(self.home, self.workers, costs, before, after)
        made = changed._with_home(completed(thinner, self.workers, costs, replication), self.workers)
        if made.num_missing > self.num_missing:
            raise DoesNotFitError(str(made.shortage))
        return made

    def rebalanced(self, costs: Costs, max_loads: int) -> tuple["Layout", Balance]:
        """Moved so that load is more even, if it can be."""
        assert self.home is not None, "there is nothing to move yet"
        limits = BalanceLimits(max_loads=max_loads)
        balance = rebalance(self.home, self.workers, costs, replication=self.replication, limits=limits)
        return self._with_home(balance, self.workers), balance

    def adopted(self, found: Placement, workers: Sequence[ExpertHost], costs: Costs) -> "Layout":
        """What a controller that has just begun finds stays where it is, and what is missing is added.

        A worker that holds nothing has come back while nobody looked: then it gets its share of all.
        """
        in_order = tuple(sorted(workers, key=lambda worker: worker.name))
        whole = completed(found, in_order, costs, self.replication)
        if all(any(whole.placement.experts_of(worker.name).values()) for worker in in_order):
            return self._with_home(whole, in_order)
        return replace(self, home=whole.placement).fitted(in_order, costs)

    def goal(self, lost: Collection[str]) -> Placement:
        """The home; or, while workers are lost, with their experts on others as far as these have room."""
        assert self.home is not None
        if not lost:
            return self.home
        left = [worker for worker in self.workers if worker.name not in lost]
        home = self.home.without(lost, self.home.epoch)
        return rescue(home, left, replication=self.replication).placement

    @property
    def shortage(self) -> str | None:
        """In words; None where all replicas have a place."""
        if not self.num_missing:
            return None
        return (
            f"{self.num_missing} of the replicas that are asked for have no room on the {len(self.workers)} "
            f"expert workers, with replicas on nodes of their own; add workers, give them more memory, or "
            f"ask for fewer"
        )

    def _spread(self, workers: Sequence[ExpertHost]) -> Placement:
        """As if nothing were there yet. Rules are not looked at."""
        return spread(
            workers,
            num_layers=self.num_layers,
            num_experts=self.num_experts,
            replicas=min(self.replication.every, len(workers)),
        )

    def _with_home(self, found: Balance, workers: tuple[ExpertHost, ...]) -> "Layout":
        return replace(self, home=found.placement, workers=workers, num_missing=found.num_missing)
