"""The ways in which we run a model on a CPU: what an engine does by default, and what one may ask for.

A way that is added here is timed against every peer, once its logits are near enough to those of the default.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.model.peers import ROUNDED_LIMIT
from kernels.cpu.settings import CpuActivations, CpuKernelSettings


@dataclass(frozen=True, slots=True)
class Variant:
    """All of them share one copy of the weights."""

    name: str
    settings: Callable[[CpuKernelSettings], CpuKernelSettings]  # from those of the environment
    limit: float  # how far its logits may be from the default's


def _as_they_are(settings: CpuKernelSettings) -> CpuKernelSettings:
    return settings


def _in_int8(settings: CpuKernelSettings) -> CpuKernelSettings:
    return replace(settings, activations=CpuActivations.INT8)


DEFAULT = Variant("ours", _as_they_are, limit=0.0)
VARIANTS: tuple[Variant, ...] = (DEFAULT, Variant("int8 activations", _in_int8, ROUNDED_LIMIT))
