"""What operators want of a mesh while it runs: how many workers, how many replicas, who shall leave.

It begins as the configuration says; what is changed later is remembered by the fleet, so that a new
controller goes on with it.
"""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace

from cluster.controller.fleet import WorkerSpec
from protos.errors import ConfigError, InvalidRequestError
from router.replication import ReplicaRule, ReplicatedPart, Replication
from workers.membership.members import WorkerKind


@dataclass(frozen=True, slots=True)
class Wishes:
    """Names count from 0, so that the last ones go when there shall be fewer."""

    num_attention: int = 1
    num_experts: int = 2
    replicas: int = 1  # of each expert
    stages: tuple[tuple[int, ...], ...] = ()  # the layers of each stage of an attention worker; () is no cut
    drained: tuple[str, ...] = ()  # workers that shall leave, and not come back
    rules: tuple[ReplicaRule, ...] = ()  # more replicas, for some experts

    def __post_init__(self) -> None:
        if self.num_attention < 1 or self.num_experts < 1:
            raise InvalidRequestError(
                f"{self.num_attention} attention and {self.num_experts} expert workers are asked for; a mesh "
                f"needs one of each at least"
            )
        if not 1 <= self.replicas <= self.num_experts:
            raise InvalidRequestError(
                f"{self.replicas} replicas are asked for; with {self.num_experts} expert workers it can be "
                f"1 to {self.num_experts}"
            )
        for rule in self.rules:
            if not 1 <= rule.replicas <= self.num_experts:
                raise InvalidRequestError(
                    f"{rule.replicas} replicas are asked for of {rule.part}; with {self.num_experts} expert "
                    f"workers it can be 1 to {self.num_experts}"
                )

    @property
    def replication(self) -> Replication:
        return Replication(self.replicas, self.rules)

    def specs(self) -> dict[str, WorkerSpec]:
        """Every worker that shall be there, by name."""
        specs = [WorkerSpec(f"expert-{number}", WorkerKind.EXPERT) for number in range(self.num_experts)]
        for number in range(self.num_attention):
            name = f"attention-{number}"
            later = tuple(f"{name}-stage-{stage}" for stage in range(1, len(self.stages)))
            layers = self.stages[0] if self.stages else None
            specs.append(WorkerSpec(name, WorkerKind.ATTENTION, layers, later))
            specs += [
                WorkerSpec(stage, WorkerKind.STAGE, layers)
                for stage, layers in zip(later, self.stages[1:], strict=True)
            ]
        return {spec.name: spec for spec in specs if spec.name not in self.drained}

    def without(self, names: Collection[str]) -> "Wishes":
        """Raises InvalidRequestError where no worker of a kind would be left."""
        left = replace(self, drained=tuple(sorted({*self.drained, *names})))
        for kind in (WorkerKind.ATTENTION, WorkerKind.EXPERT):
            if not any(spec.kind is kind for spec in left.specs().values()):
                raise InvalidRequestError(
                    f"without {', '.join(sorted(names))} no {kind} worker would be left; begin others first "
                    f"(`expertmesh scale`), or end the mesh (`expertmesh stop`)"
                )
        return left

    def with_again(self, names: Collection[str]) -> "Wishes":
        return replace(self, drained=tuple(name for name in self.drained if name not in names))

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Wishes":
        try:
            said = json.loads(text)
            return cls(
                said["num_attention"],
                said["num_experts"],
                said["replicas"],
                tuple(map(tuple, said["stages"])),
                tuple(said["drained"]),
                tuple(
                    ReplicaRule(
                        ReplicatedPart(rule["part"]["layer"], rule["part"]["expert"]), rule["replicas"]
                    )
                    for rule in said.get("rules", ())  # a mesh of an earlier release has none
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"what the mesh remembers of its wishes cannot be read: {error!r}") from error
