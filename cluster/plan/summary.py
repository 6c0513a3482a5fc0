"""A plan in one sentence: of what model, on what, made of what.

Not here: its tables (`report`). Pure.
"""

from collections import Counter

from cluster.plan.footprint import Footprint
from cluster.plan.mesh_plan import MeshPlan
from cluster.plan.words import bytes_in_words, counted

_VALUE_BYTES_TO_NAME = {2: "bfloat16", 4: "float32"}


def what_and_where(plan: MeshPlan) -> str:
    """How large the model is, and which devices it is on."""
    devices = Counter(place.device.name for place in plan.places)
    on = ", ".join(f"{count} x {name}" for name, count in devices.items())
    size = bytes_in_words(Footprint(plan.config, plan.dense_bytes).whole)
    nodes = counted(len({place.node for place in plan.places}), "node")
    return f"{size} in {_VALUE_BYTES_TO_NAME[plan.dense_bytes]}: {on} on {nodes}"


def made_of(plan: MeshPlan) -> str:
    """How many workers of each kind."""
    wanted = plan.wanted
    if not wanted.experts:
        return counted(wanted.attention, "whole copy", "whole copies")
    hosts = "one of them" if wanted.replicas == 1 else f"{wanted.replicas} of them"
    stages = f" of {wanted.stages} stages" if wanted.stages > 1 else ""
    return (
        f"{counted(wanted.attention, 'attention worker')}{stages}, "
        f"{counted(wanted.experts, 'expert worker')}, every expert on {hosts}"
    )


def summary(plan: MeshPlan) -> str:
    return f"{what_and_where(plan)}; {made_of(plan)}; the cache holds {plan.cache_tokens:,} tokens"
