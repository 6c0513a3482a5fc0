"""What Ray knows of its nodes, and of the one on which the calling process runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import ray

from cluster.config.config import Config

_GPU_TYPE = "accelerator_type:"
"""Before the name of a node's GPUs among its resources."""


@dataclass(frozen=True, slots=True)
class RayNode:
    """`name` is what `ray start --node-name` said, or the address."""

    node_id: str
    name: str
    address: str
    num_gpus: int
    num_cpus: float = 0.0
    memory_bytes: int = 0  # that was free when Ray began there
    gpu_type: str | None = None  # as Ray calls it: H100


@dataclass(frozen=True, slots=True)
class ThisNode:
    """Where this process runs, among how many."""

    name: str
    address: str
    num_nodes: int  # this one among them

    def host(self, config: Config) -> str:
        """What a worker binds to: loopback if the controller does, as then all are on one machine."""
        host = config.cluster.controller.host
        return host if is_loopback(host) else self.address


def this_node() -> ThisNode:
    own = ray.get_runtime_context().get_node_id()
    nodes = alive_nodes()
    found = next(node for node in nodes if node.node_id == own)
    return ThisNode(found.name, found.address, len(nodes))


def alive_nodes() -> Sequence[RayNode]:
    said: list[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [_node(node) for node in said if node["Alive"]]


def _node(said: Mapping[str, Any]) -> RayNode:
    has = said["Resources"]
    types = [name.removeprefix(_GPU_TYPE) for name in has if name.startswith(_GPU_TYPE)]
    return RayNode(
        node_id=str(said["NodeID"]),
        name=str(said["NodeName"]),
        address=str(said["NodeManagerAddress"]),
        num_gpus=int(has.get("GPU", 0)),
        num_cpus=float(has.get("CPU", 0)),
        memory_bytes=int(has.get("memory", 0)),
        gpu_type=types[0] if len(types) == 1 else None,
    )


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
