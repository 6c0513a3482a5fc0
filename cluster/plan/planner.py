"""`plan_mesh`: the plan of a mesh, or words on why there is none and what would make one.

The smallest change of each kind is tried, so what is advised does fit. Not here: how shards are laid out
(`lay_out`). `expertmesh plan` and `expertmesh serve` call this. Pure.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from cluster.plan.catalogue import GB
from cluster.plan.hardware import Device, Hardware, Node
from cluster.plan.lay_out import lay_out
from cluster.plan.mesh_plan import MeshPlan
from cluster.plan.wanted import Wanted
from cluster.plan.words import bytes_in_words, counted
from model.config import ModelConfig
from protos.errors import ConfigError, DoesNotFitError
from workers.engine.settings import EngineSettings

_SMALL_STEPS = EngineSettings(max_running=8, tokens_per_step=64, spare_logits=8)
"""Of an engine for a laptop and a few people."""

_MOST_NODES = 64
_MOST_MEMORY_GB = 1024


def plan_mesh(config: ModelConfig, hardware: Hardware, wanted: Wanted) -> MeshPlan:
    """Shards that fit; or DoesNotFitError that says what is missing and what would help."""
    try:
        return lay_out(config, hardware, wanted)
    except DoesNotFitError as error:
        helps = list(_remedies(config, hardware, wanted))
        advice = f"it would fit with {', or '.join(helps)}" if helps else "nothing small would make it fit"
        raise DoesNotFitError(f"{error}. {advice[0].upper()}{advice[1:]}") from error


def _remedies(config: ModelConfig, hardware: Hardware, wanted: Wanted) -> Iterator[str]:
    def fits(hardware: Hardware, wanted: Wanted) -> bool:
        try:
            lay_out(config, hardware, wanted)
        except ConfigError:
            return False
        return True

    for replicas in range(wanted.replicas - 1, 0, -1):
        if fits(hardware, replace(wanted, replicas=replicas)):
            yield f"{counted(replicas, 'replica')} instead of {wanted.replicas}"
            break
    if fits(hardware, replace(wanted, engine=_SMALL_STEPS)):
        yield f"max_running {_SMALL_STEPS.max_running} and tokens_per_step {_SMALL_STEPS.tokens_per_step}"
    limit = wanted.expert_bytes
    without_limit = replace(wanted, expert_bytes=None)
    if limit is not None and fits(hardware, without_limit):
        yield f"no limit of {bytes_in_words(limit)} for experts"
    num_devices = len(hardware.devices(gpus=wanted.experts_on_gpu and hardware.has_gpus))
    if num_devices > max(wanted.experts, 1) and fits(hardware, replace(wanted, experts=num_devices)):
        yield f"{num_devices} expert workers instead of {wanted.experts or 'none'}"
    more = _more_nodes(hardware, wanted, fits)
    if more is not None:
        yield more
    memory_gb = None if fits(hardware, without_limit) else _more_memory(hardware, without_limit, fits)
    if memory_gb is not None:
        yield f"{memory_gb} GB of memory in each {'GPU' if hardware.has_gpus else 'node'}"


def _more_nodes(hardware: Hardware, wanted: Wanted, fits: Callable[[Hardware, Wanted], bool]) -> str | None:
    """More of the last node, with an expert worker on each of their devices."""
    last = hardware.nodes[-1]
    per_node = len(last.gpus) if wanted.experts_on_gpu and last.gpus else 1
    for num_more in range(1, _MOST_NODES + 1):
        nodes = (*hardware.nodes, *(replace(last, name=f"more-{number}") for number in range(num_more)))
        experts = wanted.experts + num_more * per_node
        if fits(replace(hardware, nodes=nodes), replace(wanted, experts=experts)):
            return f"{counted(num_more, 'more node')} and {counted(experts, 'expert worker')}"
    return None


def _more_memory(hardware: Hardware, wanted: Wanted, fits: Callable[[Hardware, Wanted], bool]) -> int | None:
    """In GB, of each GPU; of each node, where there are none."""

    def fits_with(memory_gb: int) -> bool:
        nodes = tuple(_with_memory(node, memory_gb * GB) for node in hardware.nodes)
        return fits(replace(hardware, nodes=nodes), wanted)

    if not fits_with(_MOST_MEMORY_GB):
        return None
    low, high = 0, _MOST_MEMORY_GB
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits_with(middle) else (middle, high)
    return high


def _with_memory(node: Node, memory_bytes: int) -> Node:
    def grown(device: Device) -> Device:
        return replace(device, memory_bytes=max(device.memory_bytes, memory_bytes))

    if node.gpus:
        return replace(node, gpus=tuple(map(grown, node.gpus)))
    return replace(node, cpu=grown(node.cpu))
