"""The hardware of a plan: nodes with their devices, and what lies between them.

Not here: which products there are (`catalogue`). Sizes are bytes (a GB is 10⁹), speeds bytes and operations
a second, as the data sheets have them: limits, which no program reaches.
"""

from dataclasses import dataclass

from protos.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU, or all cores and the memory of a node."""

    name: str
    memory_bytes: int
    bandwidth: float  # of its memory
    flops: float  # dense, in bfloat16
    is_gpu: bool = True

    def __post_init__(self) -> None:
        if self.memory_bytes <= 0 or self.bandwidth <= 0 or self.flops <= 0:
            raise ConfigError(
                f"{self.name}: {self.memory_bytes} bytes of memory, {self.bandwidth:g} bytes/s and "
                f"{self.flops:g} operations/s must all be above zero"
            )


@dataclass(frozen=True, slots=True)
class Node:
    """One machine; its loss takes all of its devices."""

    name: str
    cpu: Device
    gpus: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """Between two processes."""

    name: str
    round_trip_s: float
    bandwidth: float  # of one process, one way


@dataclass(frozen=True, slots=True)
class Hardware:
    """`link` joins processes on different nodes, `local` those of one node."""

    nodes: tuple[Node, ...]
    link: Link
    local: Link

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ConfigError("there are no nodes; a plan needs one at least")

    def devices(self, *, gpus: bool) -> tuple["Place", ...]:
        """The first device of every node, then the second, … so that neighbours are on different nodes."""
        per_node = [list(node.gpus) if gpus else [node.cpu] for node in self.nodes]
        return tuple(
            Place(node.name, index, devices[index])
            for index in range(max(map(len, per_node)))
            for node, devices in zip(self.nodes, per_node, strict=True)
            if index < len(devices)
        )

    @property
    def has_gpus(self) -> bool:
        return any(node.gpus for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shard can be: one device of one node."""

    node: str
    index: int
    device: Device

    def __str__(self) -> str:
        return f"{self.device.name}:{self.index}" if self.device.is_gpu else self.device.name
