"""The hardware of the planner as Ray tells of it: nodes that take work, their memory, their GPUs by name.

Ray counts GPUs and does not measure them, so their memory is that of the catalogue. Not here: what is planned
on it (`cluster.plan`). Pure.
"""

from collections.abc import Sequence

from cluster.plan.catalogue import GPUS, LINKS, LOCAL, cpu_of
from cluster.plan.hardware import Device, Hardware, Node
from cluster.ray.this_node import RayNode

_LINK = "10gbe"
"""Nobody has said which; what fits does not depend on it."""


def hardware_of(nodes: Sequence[RayNode], num_gpus_wanted: int) -> Hardware | None:
    """None where something is not known: the memory of what may be used, or GPUs that are still to come."""
    working = [node for node in nodes if node.num_cpus > 0]
    found = [_node(node, with_gpus=num_gpus_wanted > 0) for node in working]
    known = [node for node in found if node is not None]
    if not known or len(known) < len(found) or sum(node.num_gpus for node in working) < num_gpus_wanted:
        return None
    return Hardware(tuple(known), LINKS[_LINK], LOCAL)


def _node(node: RayNode, *, with_gpus: bool) -> Node | None:
    gpu = _gpu(node.gpu_type)
    num_gpus = node.num_gpus if with_gpus else 0
    if not node.memory_bytes or (num_gpus and gpu is None):
        return None
    return Node(node.name, cpu_of(node.memory_bytes), () if gpu is None else (gpu,) * num_gpus)


def _gpu(gpu_type: str | None) -> Device | None:
    """Ray writes A100-80G, the catalogue A100-80; of an A100 alone the memory is not known."""
    return None if gpu_type is None else GPUS.get(gpu_type.lower().removesuffix("g"))
