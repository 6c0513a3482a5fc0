"""First half of the experts on a GPU: gather rows, MXFP4 matmul of all experts, bias, clamped SwiGLU; one
launch.

    y[i] = swiglu(W[e] x[row of i] + b[e])     formula and reference: kernels/moe_gate_up.py

    x [rows, hidden] bf16          weight: kernels/gpu/expert_layout.py, gates first
    y [assignments, intermediate] bf16, in the order of the groups

A program takes one tile of the groups (up to HEIGHT assignments of one expert, `kernels.gpu.plan`) and OUTS
of the gates with their ups. Weights are the left operand (yᵀ = W xᵀ), so that the matrix unit's 64 or 128
rows are filled by outputs, of which there are many, and not by assignments, of which a decode step has few.
The input of a block comes in four parts of eight values, which is how the nibbles lie: four products, nothing
joined.

Must read each visited expert's 8.8 MB (20b and 120b alike) once per tile of its rows, and each row once per
OUTS.
"""

import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.configs import expert_tiles
from kernels.gpu.expert_layout import ArrangedMatrix
from kernels.gpu.expert_tile import rows_of_tile, tile_arguments, weight_arguments, weight_places
from kernels.gpu.fp4 import decode
from kernels.gpu.launch import Launch, operand_type
from kernels.gpu.plan import tiles_of
from kernels.group import Assignments, ExpertGroups
from kernels.moe_gate_up import SWIGLU_ALPHA


@triton.jit
def gate_up_body(
    x_ptr: tl.tensor,
    rows_ptr: tl.tensor,
    order_ptr: tl.tensor,
    offsets_ptr: tl.tensor,
    tile_experts_ptr: tl.tensor,
    tile_starts_ptr: tl.tensor,
    num_tiles_ptr: tl.tensor,
    words_ptr: tl.tensor,
    scales_ptr: tl.tensor,
    bias_ptr: tl.tensor,
    y_ptr: tl.tensor,
    limit: float,
    HIDDEN: tl.constexpr,
    INTERMEDIATE: tl.constexpr,
    HEIGHT: tl.constexpr,
    OUTS: tl.constexpr,
    BLOCKS: tl.constexpr,
    ALPHA: tl.constexpr,
    OPERAND: tl.constexpr,
) -> None:
    tile = tl.program_id(1)
    if tile >= tl.load(num_tiles_ptr):
        return
    expert, places, is_row = rows_of_tile(tile, offsets_ptr, tile_experts_ptr, tile_starts_ptr, HEIGHT)
    chosen = tl.load(order_ptr + places, mask=is_row, other=0)
    rows = tl.load(rows_ptr + chosen, mask=is_row, other=0)  # [HEIGHT]

    NUM_BLOCKS: tl.constexpr = HIDDEN // 32
    outs = tl.program_id(0) * OUTS + tl.arange(0, OUTS)  # [OUTS]
    is_out = outs < INTERMEDIATE
    words_ptr += expert * (NUM_BLOCKS * 2 * INTERMEDIATE * 8)
    scales_ptr += expert * (tl.cdiv(NUM_BLOCKS, 4) * 2 * INTERMEDIATE * 4)
    words_at, scales_at, values_at = weight_places(outs, 2 * INTERMEDIATE, BLOCKS)
    x_at = rows[None, :] * HIDDEN + values_at[:, None]  # [BLOCKS · 8, HEIGHT]
    block = tl.arange(0, BLOCKS * 8) // 8
    four = tl.arange(0, BLOCKS) // 4 * 4

    gate = tl.zeros((OUTS, HEIGHT), dtype=tl.float32)
    up = tl.zeros((OUTS, HEIGHT), dtype=tl.float32)
    for first in range(0, NUM_BLOCKS, BLOCKS):
        is_word = is_out[:, None] & (first + block < NUM_BLOCKS)[None, :]
        is_scale = is_out[:, None] & (first + four < NUM_BLOCKS)[None, :]
        is_x = is_row[None, :] & (first + block < NUM_BLOCKS)[:, None]
        words_here = words_ptr + first * (2 * INTERMEDIATE * 8) + words_at
        scales_here = scales_ptr + first * (2 * INTERMEDIATE) + scales_at
        x_here = x_ptr + first * 32 + x_at
        gate_words = tl.load(words_here, mask=is_word, other=0)
        up_words = tl.load(words_here + INTERMEDIATE * 8, mask=is_word, other=0)
        gate_scales = tl.load(scales_here, mask=is_scale, other=0)
        up_scales = tl.load(scales_here + INTERMEDIATE * 4, mask=is_scale, other=0)
        x0 = tl.load(x_here, mask=is_x, other=0.0).to(OPERAND)
        x1 = tl.load(x_here + 8, mask=is_x, other=0.0).to(OPERAND)
        x2 = tl.load(x_here + 16, mask=is_x, other=0.0).to(OPERAND)
        x3 = tl.load(x_here + 24, mask=is_x, other=0.0).to(OPERAND)
        w0, w1, w2, w3 = decode(gate_words, gate_scales, OPERAND)
        gate = tl.dot(w0, x0, gate)
        gate = tl.dot(w1, x1, gate)
        gate = tl.dot(w2, x2, gate)
        gate = tl.dot(w3, x3, gate)
        w0, w1, w2, w3 = decode(up_words, up_scales, OPERAND)
        up = tl.dot(w0, x0, up)
        up = tl.dot(w1, x1, up)
        up = tl.dot(w2, x2, up)
        up = tl.dot(w3, x3, up)

    bias_ptr += expert * (2 * INTERMEDIATE)
    gate += tl.load(bias_ptr + 2 * outs, mask=is_out, other=0.0).to(tl.float32)[:, None]
    up += tl.load(bias_ptr + 2 * outs + 1, mask=is_out, other=0.0).to(tl.float32)[:, None]
    # What is no number stays none, so that whoever looks at the logits notices.
    gate = tl.minimum(gate, limit, propagate_nan=tl.PropagateNan.ALL)
    up = tl.minimum(up, limit, propagate_nan=tl.PropagateNan.ALL)
    up = tl.maximum(up, -limit, propagate_nan=tl.PropagateNan.ALL)
    y = gate / (1.0 + tl.exp(gate * -ALPHA)) * (up + 1.0)
    y_at = places.to(tl.int64)[None, :] * INTERMEDIATE + outs[:, None]
    tl.store(y_ptr + y_at, y.to(y_ptr.dtype.element_ty), mask=is_out[:, None] & is_row[None, :])


def gate_up_launch(
    x: Tensor,
    assignments: Assignments,
    groups: ExpertGroups,
    weight: ArrangedMatrix,
    bias: Tensor,
    limit: float,
    y: Tensor,
) -> Launch:
    tiles = tiles_of(groups)
    tile = expert_tiles(len(groups.order), len(bias)).gate_up
    assert tiles.height == tile.height, "the groups were cut for another tile"
    assert x.is_contiguous()
    assert x.shape[1] == weight.width, "the rows are not as wide as the matrices"
    intermediate = weight.num_outs // 2
    return Launch(
        gate_up_body,
        (triton.cdiv(intermediate, tile.outs), tiles.most),
        {
            "x_ptr": x,
            "rows_ptr": assignments.rows,
            **tile_arguments(groups),
            **weight_arguments(weight, bias),
            "y_ptr": y,
            "limit": limit,
        },
        {
            "HIDDEN": weight.width,
            "INTERMEDIATE": intermediate,
            "HEIGHT": tile.height,
            "OUTS": tile.outs,
            "BLOCKS": tile.blocks,
            "ALPHA": SWIGLU_ALPHA,
            "OPERAND": operand_type(x),
        },
        tile.warps,
    )


def gate_up(
    x: Tensor,
    assignments: Assignments,
    groups: ExpertGroups,
    weight: ArrangedMatrix,
    bias: Tensor,
    limit: float,
) -> Tensor:
    """Shapes as in kernels.moe_gate_up, which calls this."""
    y = x.new_empty(len(groups.order), weight.num_outs // 2)  # [assignments, intermediate]
    gate_up_launch(x, assignments, groups, weight, bias, limit, y).run()
    return y
