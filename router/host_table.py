"""For every expert of a layer, the worker that is asked this time.

Most experts have one host; an expert with replicas goes to the worker with the least to do, where a visit
costs what the weights take to read besides the rows. Built anew whenever the placement or the set of workers
that answer changes. Pure.
"""

from collections.abc import Collection
from functools import cached_property
from typing import Self

import numpy as np

from router.dispatch_plan import Integers
from router.placement import Placement

ROWS_OF_A_VISIT = 16
"""Reading an expert's weights takes as long as so many rows of its arithmetic, more or less."""


class HostTable:
    """`nobody` stands for the worker of an expert that no usable worker hosts."""

    def __init__(self, placement: Placement, usable: Collection[str]) -> None:
        self.placement = placement
        self.usable = frozenset(usable)
        self.nobody = placement.num_workers
        self._numbers = {number for number, worker in enumerate(placement.workers) if worker in self.usable}
        self._layers: dict[int, _Layer] = {}

    def hosts_for(self, layer: int, experts: Integers) -> Integers:
        """experts: of all assignments -> [experts of the layer] which worker each goes to."""
        table = self._layers.get(layer)
        if layer >= self.placement.num_layers:  # of another model, or there is no placement yet
            return np.full(int(experts.max()) + 1, self.nobody, dtype=np.int64)
        if table is None:
            table = self._layers[layer] = self._layer_of(layer)
        if not table.choices:
            return table.hosts
        counts = np.bincount(experts, minlength=len(table.hosts))  # [experts]
        return table.choose(counts, self.nobody + 1)

    def only_host(self, layer: int) -> int | None:
        """The worker that is asked for all of this layer, where there is no choice and no other."""
        table = self._layers.get(layer)
        return None if table is None else table.only_host

    def without(self, workers: Collection[str]) -> Self:
        return type(self)(self.placement, self.usable.difference(workers)) if workers else self

    def _layer_of(self, layer: int) -> "_Layer":
        hosts = np.full(self.placement.num_experts, self.nobody, dtype=np.int64)
        choices: dict[int, tuple[int, ...]] = {}
        for expert, workers in enumerate(self.placement.hosts[layer]):
            usable = tuple(worker for worker in workers if worker in self._numbers)
            if usable:
                hosts[expert] = usable[expert % len(usable)]
            if len(usable) > 1:
                choices[expert] = usable
        return _Layer(hosts, choices)


class _Layer:
    def __init__(self, hosts: Integers, choices: dict[int, tuple[int, ...]]) -> None:
        self.hosts = hosts  # [experts]
        self.choices = choices
        workers = set(hosts.tolist())
        self.only_host = workers.pop() if len(workers) == 1 and not choices else None

    def choose(self, counts: Integers, num_workers: int) -> Integers:
        """counts: [experts] assignments of each. The most wanted experts choose first."""
        cost = np.where(counts > 0, counts + ROWS_OF_A_VISIT, 0)  # [experts]
        fixed = np.bincount(self.hosts, weights=cost * self._is_fixed, minlength=num_workers)
        load: list[float] = fixed.tolist()
        hosts = self.hosts.copy()
        wanted = [expert for expert in np.flatnonzero(counts).tolist() if expert in self.choices]
        for expert in sorted(wanted, key=lambda expert: (-counts[expert], expert)):
            chosen = min(self.choices[expert], key=lambda worker: load[worker])
            load[chosen] += float(cost[expert])
            hosts[expert] = chosen
        return hosts

    @cached_property
    def _is_fixed(self) -> Integers:
        fixed = np.ones(len(self.hosts), dtype=np.int64)
        fixed[list(self.choices)] = 0
        return fixed
