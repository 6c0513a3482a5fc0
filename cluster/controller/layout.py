"""Which worker shall host which experts: the home of every expert, and where it lives while a worker is lost.

A home changes when workers come or go for good, when replication is set and when load is rebalanced. While a
worker is lost its experts are rescued onto others, and go home when it is back. Pure: the controller tells
it who is there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from router.balance import Balance, BalanceLimits, rebalance
from router.expert_host import ExpertHost
from router.expert_loads import Costs
from router.placement import Placement
from router.rescue import rescue
from router.spread import spread

_NO_LIMIT = 1 << 30
_WHAT_MUST_BE = BalanceLimits(max_loads=_NO_LIMIT, least_gain=1e9)


@dataclass(frozen=True, slots=True)
class Layout:
    """Immutable: each change makes another."""

    num_layers: int
    num_experts: int
    replicas: int
    home: Placement | None = None
    workers: tuple[ExpertHost, ...] = ()  # those of the home

    def fitted(self, workers: Sequence[ExpertHost], costs: Costs) -> "Layout":
        """For these workers, who may be others than before. Raises DoesNotFitError, in words."""
        in_order = tuple(sorted(workers, key=lambda worker: worker.name))
        if in_order == self.workers and self.home is not None:
            return self
        wholly_new = self.home is None or not any(worker.name in self.home.workers for worker in in_order)
        placed = spread(
            in_order,
            num_layers=self.num_layers,
            num_experts=self.num_experts,
            replicas=min(self.replicas, len(in_order)),
        )
        if self.home is None or wholly_new:
            return replace(self, home=placed, workers=in_order)
        moved = self._balanced(self.home, in_order, costs, _NO_LIMIT)
        return replace(self, home=moved.placement, workers=in_order)

    def replicated(self, replicas: int, costs: Costs) -> "Layout":
        """So many hosts for every expert, as far as workers have come. Raises DoesNotFitError, in words."""
        changed = replace(self, replicas=replicas)
        if self.home is None:
            return changed
        spread(
            self.workers,
            num_layers=self.num_layers,
            num_experts=self.num_experts,
            replicas=min(replicas, len(self.workers)),
        )
        return replace(changed, home=changed._balanced(self.home, self.workers, costs, _NO_LIMIT).placement)

    def rebalanced(self, costs: Costs, max_loads: int) -> tuple["Layout", Balance]:
        """Moved so that load is more even, if it can be."""
        assert self.home is not None, "there is nothing to move yet"
        balance = self._balanced(self.home, self.workers, costs, max_loads)
        return replace(self, home=balance.placement), balance

    def adopted(self, found: Placement, workers: Sequence[ExpertHost], costs: Costs) -> "Layout":
        """What a controller that has just begun finds stays where it is, and what is missing is added."""
        in_order = tuple(sorted(workers, key=lambda worker: worker.name))
        replicas = min(self.replicas, len(in_order))
        whole = rebalance(found, in_order, costs, replicas=replicas, limits=_WHAT_MUST_BE)
        return replace(self, home=whole.placement, workers=in_order)

    def goal(self, lost: Collection[str]) -> Placement:
        """The home; or, while workers are lost, with their experts on others as far as these have room."""
        assert self.home is not None
        if not lost:
            return self.home
        left = [worker for worker in self.workers if worker.name not in lost]
        return rescue(self.home.without(lost, self.home.epoch), left).placement

    def _balanced(
        self, home: Placement, workers: Sequence[ExpertHost], costs: Costs, max_loads: int
    ) -> Balance:
        limits = BalanceLimits(max_loads=max_loads)
        return rebalance(home, workers, costs, replicas=min(self.replicas, len(workers)), limits=limits)
