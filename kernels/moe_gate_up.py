"""First half of the experts: gather rows, grouped MXFP4 matmul, bias, clamped SwiGLU.

    gate, up = even, odd outputs of (W x + b)
    y = min(gate, L) · σ(1.702 · min(gate, L)) · (clamp(up, −L, L) + 1)

Must read each visited expert's gate_up once, and each assigned row once.
"""

import torch
from torch import Tensor

from kernels.cpu.library import cpu_kernels_for
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.gpu.expert_layout import ArrangedMatrix
from kernels.group import Assignments, ExpertGroups
from kernels.linear import linear
from kernels.mxfp4 import PackedMatrix, dequantize

SWIGLU_ALPHA = 1.702


def moe_gate_up(
    x: Tensor,
    assignments: Assignments,
    groups: ExpertGroups,
    weight: PackedMatrix | ArrangedMatrix,
    bias: Tensor,
    limit: float,
    row_tile: int | None = None,
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
) -> Tensor:
    """x: [rows, hidden], weight: [experts, 2 * intermediate, hidden], bias: [experts, 2 * intermediate].

    -> [assignments, intermediate] in x's dtype, in the order of `groups`. `row_tile` is for the reference:
    the CPU kernels (kernels/cpu) sum every row in one order anyway. Arranged weights are a GPU's.
    """
    if isinstance(weight, ArrangedMatrix):
        from kernels.gpu.moe_gate_up import gate_up

        return gate_up(x, assignments, groups, weight, bias, limit)
    kernels = cpu_kernels_for(x, weight, cpu_kernels)
    if kernels is not None:
        return kernels.gate_up(x, assignments, groups, weight, bias, limit)
    return moe_gate_up_reference(x, assignments, groups, weight, bias, limit, row_tile)


def moe_gate_up_reference(
    x: Tensor,
    assignments: Assignments,
    groups: ExpertGroups,
    weight: PackedMatrix,
    bias: Tensor,
    limit: float,
    row_tile: int | None = None,
) -> Tensor:
    """The definition, on every device."""
    result = x.new_empty(len(groups.order), bias.shape[1] // 2)  # [assignments, intermediate]
    for expert, group in groups.visited():
        rows = x[assignments.rows[groups.order[group]]]  # [group, hidden]
        matrix = dequantize(weight[expert], x.dtype)
        projected = linear(rows, matrix, bias[expert].to(x.dtype), row_tile)  # [group, 2 * intermediate]
        result[group] = swiglu(projected, limit)
    return result


def swiglu(projected: Tensor, limit: float) -> Tensor:
    """projected: [rows, 2 * intermediate], gate and up interleaved -> [rows, intermediate], same dtype."""
    wide = projected.float()
    gate = wide[:, 0::2].clamp(max=limit)  # [rows, intermediate]
    up = wide[:, 1::2].clamp(-limit, limit)
    # Not torch.sigmoid: its scalar and its vector form differ in the last bit, so that an element's result
    # would depend on where in the tensor it stands. exp and division have one result each.
    return (gate / (1 + torch.exp(-SWIGLU_ALPHA * gate)) * (up + 1)).to(projected.dtype)
