"""What experts have had to do, what that costs, and how evenly a placement shares it out.

A layer is done when its slowest worker is, so what counts of a layer is the load of its busiest worker, and
of a model the sum over its layers. Not here: measuring (expert workers count), and doing something about it
(`router.balance`). Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from router.placement import Placement

Costs = Sequence[Sequence[float]]
"""[layers][experts]"""


@dataclass(frozen=True, slots=True)
class ExpertLoad:
    """What one expert had to do while it was measured."""

    num_tokens: int = 0
    num_activations: int = 0  # steps in which any token visited it


@dataclass(frozen=True, slots=True)
class LoadCost:
    """An activation reads the expert's weights once, however few tokens visit; units do not matter."""

    of_activation: float = 16.0  # as router.host_table takes it
    of_token: float = 1.0

    def table(self, loads: Sequence[Sequence[ExpertLoad]]) -> Costs:
        """[layers][experts] of loads -> of costs."""
        return [[self._cost(load) for load in layer] for layer in loads]

    def _cost(self, load: ExpertLoad) -> float:
        return self.of_activation * load.num_activations + self.of_token * load.num_tokens


def even_costs(num_layers: int, num_experts: int) -> Costs:
    """What is assumed as long as nothing has been measured."""
    return [[1.0] * num_experts for _ in range(num_layers)]


def layer_loads(placement: Placement, costs: Costs) -> list[list[float]]:
    """[layers][workers]. The replicas of an expert share its steps, each of which asks one of them."""
    table: list[list[float]] = []
    for hosts_of_layer, costs_of_layer in zip(placement.hosts, costs, strict=True):
        loads = [0.0] * placement.num_workers
        for hosts, cost in zip(hosts_of_layer, costs_of_layer, strict=True):
            for worker in hosts:
                loads[worker] += cost / len(hosts)
        table.append(loads)
    return table


def imbalance(placement: Placement, costs: Costs) -> float:
    """How much longer the layers take than if every worker had the same to do; 1 is the best."""
    table = layer_loads(placement, costs)
    busiest = sum(max(loads, default=0.0) for loads in table)
    mean = sum(map(sum, table)) / max(placement.num_workers, 1)
    return busiest / mean if mean else 1.0
