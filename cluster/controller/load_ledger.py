"""How much each expert was wanted since load was last looked at, from what the workers count.

A worker counts from its beginning; when it begins anew, so does its count. Pure.
"""

from collections.abc import Mapping

from cluster.controller.held import Held
from router.expert_loads import Costs, ExpertLoad, LoadCost, even_costs

Pair = tuple[int, int]
Counts = Mapping[Pair, tuple[int, int]]
"""(layer, expert) -> tokens, visits"""


class LoadLedger:
    """Told now and then what each worker has counted."""

    def __init__(self, num_layers: int, num_experts: int) -> None:
        self._num_layers = num_layers
        self._num_experts = num_experts
        self._last: dict[str, Counts] = {}
        self._since: dict[Pair, tuple[int, int]] = {}
        self.num_tokens = 0

    def take(self, worker: str, held: Held) -> None:
        """What is more than the last time is new; less means that the worker has begun anew."""
        counts = _counts(held)
        before = self._last.get(worker, {})
        begins_anew = any(counts.get(pair, (0, 0)) < count for pair, count in before.items())
        for pair, (tokens, visits) in counts.items():
            seen = (0, 0) if begins_anew else before.get(pair, (0, 0))
            old = self._since.get(pair, (0, 0))
            self._since[pair] = (old[0] + tokens - seen[0], old[1] + visits - seen[1])
            self.num_tokens += tokens - seen[0]
        self._last[worker] = counts

    def begin_anew(self) -> None:
        """What was counted until now has been acted upon."""
        self._since = {}
        self.num_tokens = 0

    @property
    def costs(self) -> Costs:
        """Even ones as long as nothing was measured."""
        if not self.num_tokens:
            return even_costs(self._num_layers, self._num_experts)
        return LoadCost().table(
            [
                [self._load((layer, expert)) for expert in range(self._num_experts)]
                for layer in range(self._num_layers)
            ]
        )

    def _load(self, pair: Pair) -> ExpertLoad:
        tokens, visits = self._since.get(pair, (0, 0))
        return ExpertLoad(tokens, visits)


def _counts(held: Held) -> Counts:
    return {
        (layer, expert): (tokens, visits)
        for layer, of_experts in held.layer_to_tokens.items()
        for expert, (tokens, visits) in enumerate(
            zip(of_experts, held.layer_to_visits.get(layer, ()), strict=False)
        )
        if visits
    }
