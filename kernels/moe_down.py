"""Second half of the experts: grouped MXFP4 matmul, bias, times the routing weight.

    row i = w_i · (W y_i + b)

One row per assignment and no atomics: the sum over a token's experts is `combine`'s, in fixed order.
Must read each visited expert's down matrix once.
"""

from torch import Tensor

from kernels.cpu.library import cpu_kernels_for
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.gpu.expert_layout import ArrangedMatrix
from kernels.group import Assignments, ExpertGroups
from kernels.linear import linear
from kernels.mxfp4 import PackedMatrix, dequantize


def moe_down(
    y: Tensor,
    assignments: Assignments,
    groups: ExpertGroups,
    weight: PackedMatrix | ArrangedMatrix,
    bias: Tensor,
    row_tile: int | None = None,
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
) -> Tensor:
    """y: [assignments, intermediate] in the order of `groups`, weight: [experts, hidden, intermediate].

    -> [assignments, hidden] in y's dtype, in the order of `assignments`. `row_tile` is for the reference.
    Arranged weights are a GPU's.
    """
    if isinstance(weight, ArrangedMatrix):
        from kernels.gpu.moe_down import down

        return down(y, assignments, groups, weight, bias)
    kernels = cpu_kernels_for(y, weight, cpu_kernels)
    if kernels is not None:
        return kernels.down(y, assignments, groups, weight, bias)
    return moe_down_reference(y, assignments, groups, weight, bias, row_tile)


def moe_down_reference(
    y: Tensor,
    assignments: Assignments,
    groups: ExpertGroups,
    weight: PackedMatrix,
    bias: Tensor,
    row_tile: int | None = None,
) -> Tensor:
    """The definition, on every device."""
    result = y.new_empty(len(groups.order), bias.shape[1])  # [assignments, hidden]
    for expert, group in groups.visited():
        chosen = groups.order[group]  # [group]
        matrix = dequantize(weight[expert], y.dtype)
        projected = linear(y[group], matrix, bias[expert].to(y.dtype), row_tile)  # [group, hidden]
        result[chosen] = (projected.float() * assignments.weights[chosen, None]).to(y.dtype)
    return result
