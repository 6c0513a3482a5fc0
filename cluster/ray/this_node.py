"""What Ray knows of its nodes, and of the one on which the calling process runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import ray

from cluster.config.config import Config


@dataclass(frozen=True, slots=True)
class RayNode:
    """`name` is what `ray start --node-name` said, or the address."""

    node_id: str
    name: str
    address: str
    num_gpus: int


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
    return [
        RayNode(
            str(node["NodeID"]),
            str(node["NodeName"]),
            str(node["NodeManagerAddress"]),
            int(node["Resources"].get("GPU", 0)),
        )
        for node in said
        if node["Alive"]
    ]


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
