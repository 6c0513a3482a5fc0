"""What a mesh begins with: its shape from the model, its workers from the configuration.

Not here: what becomes of it (`cluster.controller`). Called by `expertmesh serve`.
"""

from pathlib import Path

from cluster.config.config import Config
from cluster.controller.expert_care import MeshShape
from cluster.controller.wishes import Wishes
from model.checkpoint import Checkpoint
from model.weights import Selection
from router.expert_host import ExpertHost
from router.spread import spread

_BYTES_OF_GB = 10**9

Layers = tuple[tuple[int, ...], ...]
"""Of each stage."""


def mesh_shape(config: Config, folder: Path) -> MeshShape:
    """Raises DoesNotFitError, in words, where the expert workers have no room for all experts."""
    checkpoint = Checkpoint.open(folder)
    num_layers, num_experts = checkpoint.config.num_layers, checkpoint.config.num_experts
    one_expert = checkpoint.num_bytes(Selection(layer_to_experts={0: (0,)}))
    experts = config.cluster.experts
    slots = num_layers * num_experts
    if experts.memory_gb is not None:
        slots = min(slots, int(experts.memory_gb * _BYTES_OF_GB) // one_expert)
    hosts = [ExpertHost(f"expert-{n}", f"node of expert-{n}", slots) for n in range(experts.workers)]
    spread(hosts, num_layers=num_layers, num_experts=num_experts, replicas=experts.replicas)
    return MeshShape(num_layers, num_experts, slots, one_expert)


def first_wishes(config: Config, stages: Layers) -> Wishes:
    """`stages` are those of the plan; one stage is no cut."""
    cluster = config.cluster
    return Wishes(
        num_attention=cluster.attention.replicas,
        num_experts=cluster.experts.workers,
        replicas=cluster.experts.replicas,
        stages=stages if len(stages) > 1 else (),
    )
