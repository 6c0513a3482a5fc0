"""Whether whole copies or a mesh of experts pays on the same devices: both are planned and compared.

Not here: one plan (`lay_out`), its speed (`roofline`). `expertmesh plan` calls this. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cluster.plan.hardware import Hardware
from cluster.plan.lay_out import lay_out
from cluster.plan.mesh_plan import MeshPlan
from cluster.plan.roofline import most_sequences, step_time
from cluster.plan.wanted import Wanted
from cluster.plan.words import counted
from model.config import ModelConfig
from protos.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Layout:
    """A plan, and what it does at the batch that was asked about."""

    plan: MeshPlan
    tokens_per_s: float
    fits_cache: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The best of each kind, where there is any that fits."""

    whole: Layout | None  # every device holds the whole model
    mesh: Layout | None

    @property
    def best(self) -> Layout | None:
        layouts = [layout for layout in (self.whole, self.mesh) if layout is not None]
        return max(layouts, key=_quality, default=None)

    def __str__(self) -> str:
        whole, mesh = self.whole, self.mesh
        if whole is None and mesh is None:
            return "neither whole copies nor experts spread over all devices fit"
        if mesh is None:
            return "keep the model whole; there is no second device to spread its experts over"
        if whole is None:
            return f"spread the experts, as no device holds the model whole: at best {_speed(mesh)}"
        if self.best is whole:
            return f"replicate: at best {_speed(whole)}, {_compared(whole, mesh)}"
        return f"spread the experts: at best {_speed(mesh)}, {_compared(mesh, whole)}"


def compare(
    config: ModelConfig, hardware: Hardware, like: Wanted, num_sequences: int, context: int
) -> Comparison:
    """Layouts that use every device, set up as `like` is, and `like` itself."""
    num_devices = len(hardware.devices(gpus=hardware.has_gpus))
    whole = [replace(like, attention=num_devices, stages=1, experts=0, replicas=1)]
    meshes = list(_meshes(like, num_devices))

    def best(wishes: list[Wanted]) -> Layout | None:
        found = (_layout(config, hardware, wanted, num_sequences, context) for wanted in wishes)
        return max((layout for layout in found if layout is not None), key=_quality, default=None)

    return Comparison(best(whole), best(meshes))


def _meshes(like: Wanted, num_devices: int) -> Iterator[Wanted]:
    """What was asked for; attention and experts on devices of their own, in every proportion; both on all."""
    if like.experts:
        yield like
    if num_devices < max(2, like.replicas):
        return
    yield replace(like, attention=num_devices, experts=num_devices)
    for num_experts in range(like.replicas, num_devices):
        yield replace(like, attention=num_devices - num_experts, experts=num_experts)


def _layout(
    config: ModelConfig, hardware: Hardware, wanted: Wanted, num_sequences: int, context: int
) -> Layout | None:
    try:
        plan = lay_out(config, hardware, wanted)
    except ConfigError:
        return None
    speed = step_time(plan, num_sequences, context).tokens_per_s
    return Layout(plan, speed, num_sequences <= most_sequences(plan, context))


def _quality(layout: Layout) -> tuple[bool, float]:
    return layout.fits_cache, layout.tokens_per_s


def _speed(layout: Layout) -> str:
    return f"{layout.tokens_per_s:,.0f} tokens/s with {_named(layout.plan)}"


def _compared(better: Layout, other: Layout) -> str:
    times = better.tokens_per_s / other.tokens_per_s
    small = ", and their cache is too small" if better.fits_cache and not other.fits_cache else ""
    return f"{times:.1f} times the {other.tokens_per_s:,.0f} of {_named(other.plan)}{small}"


def _named(plan: MeshPlan) -> str:
    if not plan.experts:
        return counted(len(plan.attention), "whole copy", "whole copies")
    attention = counted(plan.wanted.attention, "attention worker")
    return f"{attention} and {counted(len(plan.experts), 'expert worker')}"
