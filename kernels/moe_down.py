"""Second half of the experts: grouped MXFP4 matmul, bias, times the routing weight.

    row i = w_i · (W y_i + b)

One row per assignment and no atomics: the sum over a token's experts is `combine`'s, in fixed order.
Must read each visited expert's down matrix once.
"""

from torch import Tensor

from kernels.group import Assignments, ExpertGroups
from kernels.linear import linear
from kernels.mxfp4 import PackedMatrix, dequantize


def moe_down(
    y: Tensor,
    assignments: Assignments,
    groups: ExpertGroups,
    weight: PackedMatrix,
    bias: Tensor,
    row_tile: int | None = None,
) -> Tensor:
    """y: [assignments, intermediate] in the order of `groups`, weight: [experts, hidden, intermediate].

    -> [assignments, hidden] in y's dtype, in the order of `assignments`.
    """
    result = y.new_empty(len(groups.order), bias.shape[1])  # [assignments, hidden]
    for expert, group in groups.visited():
        chosen = groups.order[group]  # [group]
        matrix = dequantize(weight[expert], y.dtype)
        projected = linear(y[group], matrix, bias[expert].to(y.dtype), row_tile)  # [group, hidden]
        result[chosen] = (projected.float() * assignments.weights[chosen, None]).to(y.dtype)
    return result
