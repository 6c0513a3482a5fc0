"""Which expert workers host which experts of which layers: immutable, and versioned by its epoch.

Any expert of any layer may be hosted by any workers, in any number. Not here: how a placement is chosen
(`router.balance`), where workers are (`router.topology`), which replica a step asks (`router.dispatch_plan`).
Pure.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from protos.errors import ConfigError

LayerToExperts = Mapping[int, tuple[int, ...]]
"""Experts of some layers, each tuple in rising order; a layer without any is not there."""


@dataclass(frozen=True, slots=True)
class Placement:
    """`hosts[layer][expert]`: the workers that host it, as indices into `workers`, in rising order.

    An expert without a host is lost for now; `is_whole` says whether there is none.
    """

    epoch: int
    workers: tuple[str, ...]
    hosts: tuple[tuple[tuple[int, ...], ...], ...]

    def __post_init__(self) -> None:
        if len(set(self.workers)) != len(self.workers):
            raise ConfigError(f"a placement names a worker twice: {', '.join(self.workers)}")
        for layer, experts in enumerate(self.hosts):
            for expert, hosts in enumerate(experts):
                if list(hosts) != sorted(set(hosts)) or (
                    hosts and not 0 <= hosts[0] <= hosts[-1] < self.num_workers
                ):
                    raise ConfigError(
                        f"layer {layer}, expert {expert}: hosts {hosts} are not rising numbers below "
                        f"{self.num_workers}"
                    )

    @classmethod
    def of(
        cls, epoch: int, worker_to_experts: Mapping[str, LayerToExperts], *, num_layers: int, num_experts: int
    ) -> Self:
        """From what each worker hosts."""
        workers = tuple(worker_to_experts)
        hosts: list[list[list[int]]] = [[[] for _ in range(num_experts)] for _ in range(num_layers)]
        for index, worker in enumerate(workers):
            for layer, experts in worker_to_experts[worker].items():
                for expert in experts:
                    hosts[layer][expert].append(index)
        return cls(epoch, workers, tuple(tuple(map(tuple, experts)) for experts in hosts))

    @property
    def num_workers(self) -> int:
        return len(self.workers)

    @property
    def num_layers(self) -> int:
        return len(self.hosts)

    @property
    def num_experts(self) -> int:
        return len(self.hosts[0])

    @property
    def is_whole(self) -> bool:
        return all(hosts for experts in self.hosts for hosts in experts)

    def experts_of(self, worker: str) -> dict[int, tuple[int, ...]]:
        """What this worker hosts; nothing for a name that the placement does not know."""
        if worker not in self.workers:
            return {}
        index = self.workers.index(worker)
        found = {
            layer: tuple(expert for expert, hosts in enumerate(experts) if index in hosts)
            for layer, experts in enumerate(self.hosts)
        }
        return {layer: experts for layer, experts in found.items() if experts}

    def without(self, lost: Collection[str], epoch: int) -> Self:
        """The same on the workers that are left; experts may have no host then."""
        left = [worker for worker in self.workers if worker not in lost]
        return type(self).of(
            epoch,
            {worker: self.experts_of(worker) for worker in left},
            num_layers=self.num_layers,
            num_experts=self.num_experts,
        )
