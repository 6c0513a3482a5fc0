"""Packed matrices of several experts, and both halves of the experts, for tests of the CPU paths."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.cpu.library import CpuKernels
from kernels.group import Assignments, group_by_expert
from kernels.mxfp4 import BLOCK_BYTES, PackedMatrix

LIMIT = 7.0  # of the SwiGLU


@dataclass(frozen=True)
class Layer:
    """The same packed matrix serves either half."""

    weight: PackedMatrix
    bias: Tensor  # [experts, outs]

    @classmethod
    def random(cls, num_experts: int, num_outs: int, num_blocks: int) -> "Layer":
        shape = (num_experts, num_outs, num_blocks)
        blocks = torch.randint(0, 256, (*shape, BLOCK_BYTES), dtype=torch.uint8)
        scales = torch.randint(118, 125, shape, dtype=torch.uint8)
        return cls(PackedMatrix(blocks, scales), torch.randn(num_experts, num_outs))

    @property
    def num_experts(self) -> int:
        return len(self.bias)


def assign(rows: list[int], experts: list[int]) -> Assignments:
    return Assignments(torch.tensor(rows), torch.tensor(experts), torch.rand(len(rows)))


def gate_up(kernels: CpuKernels, layer: Layer, x: Tensor, work: Assignments) -> Tensor:
    """-> [assignments, outs / 2] in the order of the assignments"""
    groups = group_by_expert(work.experts, layer.num_experts)
    found = kernels.gate_up(x, work, groups, layer.weight, layer.bias, LIMIT)
    result = torch.empty_like(found)
    result[groups.order] = found
    return result


def down(kernels: CpuKernels, layer: Layer, x: Tensor, work: Assignments) -> Tensor:
    """-> [assignments, outs] in the order of the assignments"""
    groups = group_by_expert(work.experts, layer.num_experts)
    y = x[work.rows[groups.order]]  # [assignments, in]
    return kernels.down(y, work, groups, layer.weight, layer.bias)


Half = Callable[[CpuKernels, Layer, Tensor, Assignments], Tensor]
