"""A search for a layout with more even load: it takes as long as a second, so it holds no lock.

Meanwhile workers may come and go; then what was found is about a mesh that is no more, and not taken up.
Not here: when to search (`expert_care`). Pure.
"""

from dataclasses import dataclass

from cluster.controller.layout import Layout
from router.balance import Balance
from router.expert_loads import Costs


@dataclass(frozen=True, slots=True)
class FoundLayout:
    """What becomes of a layout."""

    before: Layout
    after: Layout
    balance: Balance


@dataclass(frozen=True, slots=True)
class LayoutSearch:
    """What it begins with."""

    before: Layout
    costs: Costs

    def found(self, max_loads: int) -> FoundLayout:
        after, balance = self.before.rebalanced(self.costs, max_loads)
        return FoundLayout(self.before, after, balance)
