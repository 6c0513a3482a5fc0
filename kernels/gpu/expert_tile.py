"""What both halves of the experts share on a GPU: which tile a program has, and where its weights lie.

The order of the weights is `kernels.gpu.expert_layout`'s; tiles are `kernels.gpu.plan`'s.
"""

from collections.abc import Mapping

import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.expert_layout import ArrangedMatrix
from kernels.gpu.plan import tiles_of
from kernels.group import ExpertGroups


@triton.jit
def rows_of_tile(
    tile: tl.tensor,
    offsets_ptr: tl.tensor,
    tile_experts_ptr: tl.tensor,
    tile_starts_ptr: tl.tensor,
    HEIGHT: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """-> expert; the rows' places in the groups, and which of them there are, [HEIGHT] each."""
    expert = tl.load(tile_experts_ptr + tile).to(tl.int64)
    stop = tl.load(offsets_ptr + expert + 1).to(tl.int32)
    places = tl.load(tile_starts_ptr + tile) + tl.arange(0, HEIGHT)
    return expert, places, places < stop


@triton.jit
def weight_places(
    outs: tl.tensor, NUM_OUTS: tl.constexpr, BLOCKS: tl.constexpr
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Of the first BLOCKS blocks: words [outs, BLOCKS · 8], scales [outs, BLOCKS], input values [BLOCKS · 8].

    A word's first value; its other three stand 8, 16 and 24 further.
    """
    position = tl.arange(0, BLOCKS * 8)
    block = position // 8
    word = position % 8
    words = block[None, :] * (NUM_OUTS * 8) + outs[:, None] * 8 + word[None, :]
    each = tl.arange(0, BLOCKS)
    scales = (each // 4)[None, :] * (NUM_OUTS * 4) + outs[:, None] * 4 + (each % 4)[None, :]
    return words, scales, block * 32 + word


def tile_arguments(groups: ExpertGroups) -> Mapping[str, Tensor]:
    tiles = tiles_of(groups)
    return {
        "order_ptr": groups.order,
        "offsets_ptr": groups.offsets,
        "tile_experts_ptr": tiles.experts,
        "tile_starts_ptr": tiles.starts,
        "num_tiles_ptr": tiles.number,
    }


def weight_arguments(weight: ArrangedMatrix, bias: Tensor) -> Mapping[str, Tensor]:
    return {"words_ptr": weight.words, "scales_ptr": weight.scales, "bias_ptr": bias}
