"""How many workers shall host each expert at least: a number for all, and more for single layers or experts.

What names a layer, an expert, or one expert of one layer is a rule. Of all that is said of an expert the
largest number holds. Not here: which workers (`router.balance`), and whether they have room. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from protos.errors import InvalidRequestError

LeastHosts = Sequence[Sequence[int]]
"""[layers][experts]"""


@dataclass(frozen=True, slots=True)
class ReplicatedPart:
    """All experts of a layer, one expert in all layers, or one expert of one layer."""

    layer: int | None = None  # None: of every layer
    expert: int | None = None  # None: every expert

    def __post_init__(self) -> None:
        if self.layer is None and self.expert is None:
            raise InvalidRequestError("a rule is about a layer, an expert, or both; none is named")

    def __str__(self) -> str:
        if self.expert is None:
            return f"every expert of layer {self.layer}"
        return f"expert {self.expert} of {'every layer' if self.layer is None else f'layer {self.layer}'}"

    def pairs(self, num_layers: int, num_experts: int) -> Iterator[tuple[int, int]]:
        """(layer, expert); raises InvalidRequestError where the model has no such layer or expert."""
        for name, number, count in (("layer", self.layer, num_layers), ("expert", self.expert, num_experts)):
            if number is not None and not 0 <= number < count:
                raise InvalidRequestError(
                    f"there is no {name} {number}; the model has {name}s 0 to {count - 1}"
                )
        for layer in range(num_layers) if self.layer is None else (self.layer,):
            for expert in range(num_experts) if self.expert is None else (self.expert,):
                yield layer, expert


@dataclass(frozen=True, slots=True)
class ReplicaRule:
    """So many workers at least host each expert of this part."""

    part: ReplicatedPart
    replicas: int

    def __str__(self) -> str:
        return f"{self.replicas} {'replica' if self.replicas == 1 else 'replicas'} of {self.part}"


@dataclass(frozen=True, slots=True)
class Replication:
    """`every` is for all experts; a rule can only ask for more."""

    every: int = 1
    rules: tuple[ReplicaRule, ...] = ()  # no two about the same part

    def limited(self, most: int) -> Self:
        """Where there are no more workers than these."""
        rules = (replace(rule, replicas=min(rule.replicas, most)) for rule in self.rules)
        return replace(self, every=min(self.every, most), rules=tuple(rules))

    def least_hosts(self, num_layers: int, num_experts: int) -> LeastHosts:
        least = [[self.every] * num_experts for _ in range(num_layers)]
        for rule in self.rules:
            for layer, expert in rule.part.pairs(num_layers, num_experts):
                least[layer][expert] = max(least[layer][expert], rule.replicas)
        return least

    def with_rule(self, rule: ReplicaRule) -> Self:
        """In place of what was said of this part before."""
        others = [other for other in self.rules if other.part != rule.part]
        return replace(self, rules=tuple(sorted((*others, rule), key=_order)))

    def without(self, part: ReplicatedPart) -> Self:
        """Raises InvalidRequestError where there is no rule about it."""
        others = tuple(other for other in self.rules if other.part != part)
        if len(others) == len(self.rules):
            known = ", ".join(map(str, self.rules)) or "none at all"
            raise InvalidRequestError(f"there is no rule about {part}; there is {known}")
        return replace(self, rules=others)


ONE_OF_EACH = Replication()


def _order(rule: ReplicaRule) -> tuple[int, int]:
    """By layer, then by expert; what is about all of them comes first."""
    layer, expert = rule.part.layer, rule.part.expert
    return (-1 if layer is None else layer, -1 if expert is None else expert)
