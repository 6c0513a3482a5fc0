"""What Ray knows of the node on which the calling process runs."""

from dataclasses import dataclass
from ipaddress import ip_address

import ray

from cluster.config.config import Config


@dataclass(frozen=True, slots=True)
class ThisNode:
    """`name` is what `ray start --node-name` said, or the address."""

    name: str
    address: str
    num_nodes: int  # that are alive, this one among them

    def host(self, config: Config) -> str:
        """What a worker binds to: loopback if the controller does, as then all are on one machine."""
        host = config.cluster.controller.host
        return host if is_loopback(host) else self.address


def this_node() -> ThisNode:
    own = ray.get_runtime_context().get_node_id()
    alive = [node for node in ray.nodes() if node["Alive"]]
    found = next(node for node in alive if node["NodeID"] == own)
    return ThisNode(found["NodeName"], found["NodeManagerAddress"], len(alive))


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
