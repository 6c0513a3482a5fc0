"""Grouping: the assignments of a step, sorted by expert, so that each expert's rows are contiguous."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from kernels.cpu.library import load_cpu_kernels
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.device import takes_gpu_kernels


@dataclass(frozen=True, slots=True)
class Assignments:
    """Work for a set of local experts: row `rows[i]` of the input goes through local expert `experts[i]`.

    This is what a dispatch carries: rows travel once, however many local experts want them.
    """

    rows: Tensor  # [assignments] int64, into the input rows
    experts: Tensor  # [assignments] int64, 0 … local experts − 1
    weights: Tensor  # [assignments] float32


@dataclass(frozen=True, slots=True)
class RowTiles:
    """The groups cut into tiles of at most `height` assignments, each of one expert, for a GPU's programs.

    There is room for the most tiles that so many assignments can need; how many they are only the GPU knows.
    """

    height: int
    experts: Tensor  # [most tiles] int32
    starts: Tensor  # [most tiles] int32, into the order of the groups
    number: Tensor  # [1] int32: those behind it say nothing

    @property
    def most(self) -> int:
        return len(self.experts)


@dataclass(frozen=True, slots=True)
class ExpertGroups:
    """Assignments in expert order: expert e has `order[offsets[e] : offsets[e + 1]]`."""

    order: Tensor  # [assignments] int64, indices into the assignments
    offsets: Tensor  # [local experts + 1] int64
    tiles: RowTiles | None = None  # where the kernels of a GPU will run

    def visited(self) -> Iterator[tuple[int, slice]]:
        """The experts that have work, each with its part of `order`. Waits for the device."""
        for expert, (start, stop) in enumerate(pairwise(self.offsets.tolist())):
            if start < stop:
                yield expert, slice(start, stop)


def group_by_expert(
    experts: Tensor, num_experts: int, cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS
) -> ExpertGroups:
    """experts: [assignments] int64. Within a group, assignments keep their order."""
    if takes_gpu_kernels(experts):
        from kernels.gpu import plan

        return plan.group_by_expert(experts, num_experts)
    kernels = load_cpu_kernels(cpu_kernels) if experts.is_cpu else None
    if kernels is None:
        return group_by_expert_reference(experts, num_experts)
    grouped = kernels.group(experts.contiguous(), num_experts)
    assert grouped is not None, "an assignment names an expert that is not here"
    return ExpertGroups(*grouped)


def group_by_expert_reference(experts: Tensor, num_experts: int) -> ExpertGroups:
    """The definition, on every device."""
    order = torch.argsort(experts, stable=True)
    counts = torch.bincount(experts, minlength=num_experts)  # [local experts]
    assert len(counts) == num_experts, "an assignment names an expert that is not here"
    offsets = torch.zeros(num_experts + 1, dtype=torch.int64, device=experts.device)
    torch.cumsum(counts, dim=0, out=offsets[1:])
    return ExpertGroups(order=order, offsets=offsets)
