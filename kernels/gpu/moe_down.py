"""Second half of the experts on a GPU: MXFP4 matmul of all experts, bias, times the routing weight; one
launch.

    row[order of i] = w · (W[e] y[i] + b[e])     formula and reference: kernels/moe_down.py

    y [assignments, intermediate] bf16, in the order of the groups
    rows [assignments, hidden] bf16, in the order of the assignments: one for each, and no atomics

Tiles, operands and nibbles as in `kernels.gpu.moe_gate_up`.

Must read each visited expert's 4.4 MB once per tile of its rows, each y once per OUTS, and write each row
once.
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


@triton.jit
def down_body(
    y_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    order_ptr: tl.tensor,
    offsets_ptr: tl.tensor,
    tile_experts_ptr: tl.tensor,
    tile_starts_ptr: tl.tensor,
    num_tiles_ptr: tl.tensor,
    words_ptr: tl.tensor,
    scales_ptr: tl.tensor,
    bias_ptr: tl.tensor,
    rows_ptr: tl.tensor,
    INTERMEDIATE: tl.constexpr,
    HIDDEN: tl.constexpr,
    HEIGHT: tl.constexpr,
    OUTS: tl.constexpr,
    BLOCKS: tl.constexpr,
    OPERAND: tl.constexpr,
) -> None:
    tile = tl.program_id(1)
    if tile >= tl.load(num_tiles_ptr):
        return
    expert, places, is_row = rows_of_tile(tile, offsets_ptr, tile_experts_ptr, tile_starts_ptr, HEIGHT)

    NUM_BLOCKS: tl.constexpr = INTERMEDIATE // 32
    outs = tl.program_id(0) * OUTS + tl.arange(0, OUTS)  # [OUTS]
    is_out = outs < HIDDEN
    words_ptr += expert * (NUM_BLOCKS * HIDDEN * 8)
    scales_ptr += expert * (tl.cdiv(NUM_BLOCKS, 4) * HIDDEN * 4)
    words_at, scales_at, values_at = weight_places(outs, HIDDEN, BLOCKS)
    y_at = places.to(tl.int64)[None, :] * INTERMEDIATE + values_at[:, None]  # [BLOCKS · 8, HEIGHT]
    block = tl.arange(0, BLOCKS * 8) // 8
    four = tl.arange(0, BLOCKS) // 4 * 4

    total = tl.zeros((OUTS, HEIGHT), dtype=tl.float32)
    for first in range(0, NUM_BLOCKS, BLOCKS):
        is_word = is_out[:, None] & (first + block < NUM_BLOCKS)[None, :]
        is_scale = is_out[:, None] & (first + four < NUM_BLOCKS)[None, :]
        is_y = is_row[None, :] & (first + block < NUM_BLOCKS)[:, None]
        y_here = y_ptr + first * 32 + y_at
        words = tl.load(words_ptr + first * (HIDDEN * 8) + words_at, mask=is_word, other=0)
        scales = tl.load(scales_ptr + first * HIDDEN + scales_at, mask=is_scale, other=0)
        y0 = tl.load(y_here, mask=is_y, other=0.0).to(OPERAND)
        y1 = tl.load(y_here + 8, mask=is_y, other=0.0).to(OPERAND)
        y2 = tl.load(y_here + 16, mask=is_y, other=0.0).to(OPERAND)
        y3 = tl.load(y_here + 24, mask=is_y, other=0.0).to(OPERAND)
        w0, w1, w2, w3 = decode(words, scales, OPERAND)
        total = tl.dot(w0, y0, total)
        total = tl.dot(w1, y1, total)
        total = tl.dot(w2, y2, total)
        total = tl.dot(w3, y3, total)

    total += tl.load(bias_ptr + expert * HIDDEN + outs, mask=is_out, other=0.0).to(tl.float32)[:, None]
    chosen = tl.load(
        order_ptr + places, mask=is_row, other=0
    )  # [HEIGHT]; here, since the loop needs its registers
    total *= tl.load(weights_ptr + chosen, mask=is_row, other=0.0)[None, :]
    rows_at = chosen[None, :] * HIDDEN + outs[:, None]
    tl.store(rows_ptr + rows_at, total.to(rows_ptr.dtype.element_ty), mask=is_out[:, None] & is_row[None, :])


def down_launch(
    y: Tensor,
    assignments: Assignments,
    groups: ExpertGroups,
    weight: ArrangedMatrix,
    bias: Tensor,
    rows: Tensor,
) -> Launch:
    tiles = tiles_of(groups)
    tile = expert_tiles(len(groups.order), len(bias)).down
    assert tiles.height == tile.height, "the groups were cut for another tile"
    assert y.is_contiguous()
    assert y.shape[1] == weight.width, "the rows are not as wide as the matrices"
    return Launch(
        down_body,
        (triton.cdiv(weight.num_outs, tile.outs), tiles.most),
        {
            "y_ptr": y,
            "weights_ptr": assignments.weights,
            **tile_arguments(groups),
            **weight_arguments(weight, bias),
            "rows_ptr": rows,
        },
        {
            "INTERMEDIATE": weight.width,
            "HIDDEN": weight.num_outs,
            "HEIGHT": tile.height,
            "OUTS": tile.outs,
            "BLOCKS": tile.blocks,
            "OPERAND": operand_type(y),
        },
        tile.warps,
    )


def down(
    y: Tensor, assignments: Assignments, groups: ExpertGroups, weight: ArrangedMatrix, bias: Tensor
) -> Tensor:
    """Shapes as in kernels.moe_down, which calls this."""
    rows = y.new_empty(len(groups.order), weight.num_outs)  # [assignments, hidden]
    down_launch(y, assignments, groups, weight, bias, rows).run()
    return rows
