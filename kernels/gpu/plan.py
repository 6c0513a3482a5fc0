"""The plan of a step's experts on a GPU: assignments in expert order, and the tiles that programs take.

    offsets[e] = number of assignments to experts below e
    order      = assignments by expert, within an expert as they came      (reference: kernels/group.py)
    tiles      = each group cut into pieces of `height` assignments, expert after expert

Two launches, no atomics, and the CPU learns nothing: it knows only how many tiles there can be. In the first
a program takes one expert, counts those below it and ranks its own; in the second a program finds one tile.

Must read the experts of all assignments once per expert: 4 MB from the cache for 4,096 tokens and 128
experts.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.configs import ONE_WARP, PLAN_BLOCK, PLAN_WARPS, expert_tiles
from kernels.gpu.launch import Launch
from kernels.group import ExpertGroups, RowTiles


@triton.jit(do_not_specialize=["num_assignments"])
def order_body(
    experts_ptr: tl.tensor,
    order_ptr: tl.tensor,
    offsets_ptr: tl.tensor,
    num_assignments: int,
    NUM_EXPERTS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """The program behind the last expert only writes where the last group ends."""
    expert = tl.program_id(0)
    each = tl.arange(0, BLOCK)
    below = tl.zeros((BLOCK,), dtype=tl.int32)
    for first in range(0, num_assignments, BLOCK):
        experts = tl.load(experts_ptr + first + each, mask=first + each < num_assignments, other=NUM_EXPERTS)
        below += (experts < expert).to(tl.int32)
    place = tl.sum(below)
    tl.store(offsets_ptr + expert, place.to(tl.int64))
    if expert < NUM_EXPERTS:
        for first in range(0, num_assignments, BLOCK):
            is_there = first + each < num_assignments
            experts = tl.load(experts_ptr + first + each, mask=is_there, other=NUM_EXPERTS)
            is_mine = (experts == expert).to(tl.int32)
            places = place + tl.cumsum(is_mine) - 1  # [BLOCK]
            tl.store(order_ptr + places, (first + each).to(tl.int64), mask=is_mine != 0)
            place += tl.sum(is_mine)


@triton.jit
def tiles_body(
    offsets_ptr: tl.tensor,
    tile_experts_ptr: tl.tensor,
    tile_starts_ptr: tl.tensor,
    num_tiles_ptr: tl.tensor,
    NUM_EXPERTS: tl.constexpr,
    ROOM: tl.constexpr,
    HEIGHT: tl.constexpr,
) -> None:
    """ROOM: the power of two that holds NUM_EXPERTS."""
    tile = tl.program_id(0)
    expert = tl.arange(0, ROOM)
    is_expert = expert < NUM_EXPERTS
    starts = tl.load(offsets_ptr + expert, mask=is_expert, other=0).to(tl.int32)  # [ROOM]
    stops = tl.load(offsets_ptr + expert + 1, mask=is_expert, other=0).to(tl.int32)
    num_tiles = (stops - starts + HEIGHT - 1) // HEIGHT  # [ROOM]
    past = tl.cumsum(num_tiles)  # [ROOM]: tiles up to and including this expert
    total = tl.sum(num_tiles)
    if tile == 0:
        tl.store(num_tiles_ptr, total)
    if tile < total:
        mine = tl.sum((past <= tile).to(tl.int32))
        is_mine = expert == mine
        first_tile = tl.sum(tl.where(is_mine, past - num_tiles, 0))
        start = tl.sum(tl.where(is_mine, starts, 0))
        tl.store(tile_experts_ptr + tile, mine)
        tl.store(tile_starts_ptr + tile, start + (tile - first_tile) * HEIGHT)


def order_launch(experts: Tensor, num_experts: int, groups: ExpertGroups) -> Launch:
    assert experts.is_contiguous()
    return Launch(
        order_body,
        (num_experts + 1,),
        {
            "experts_ptr": experts,
            "order_ptr": groups.order,
            "offsets_ptr": groups.offsets,
            "num_assignments": len(experts),
        },
        {"NUM_EXPERTS": num_experts, "BLOCK": PLAN_BLOCK},
        PLAN_WARPS,
    )


def tiles_launch(offsets: Tensor, tiles: RowTiles) -> Launch:
    num_experts = len(offsets) - 1
    return Launch(
        tiles_body,
        (tiles.most,),
        {
            "offsets_ptr": offsets,
            "tile_experts_ptr": tiles.experts,
            "tile_starts_ptr": tiles.starts,
            "num_tiles_ptr": tiles.number,
        },
        {"NUM_EXPERTS": num_experts, "ROOM": triton.next_power_of_2(num_experts), "HEIGHT": tiles.height},
        ONE_WARP,
    )


def empty_groups(experts: Tensor, num_experts: int) -> ExpertGroups:
    """Memory for the plan of experts: [assignments] on their device."""
    height = expert_tiles(len(experts), num_experts).height
    most = most_tiles(len(experts), num_experts, height)

    def integers(count: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(count, dtype=dtype, device=experts.device)

    return ExpertGroups(
        order=integers(len(experts), torch.int64),
        offsets=integers(num_experts + 1, torch.int64),
        tiles=RowTiles(
            height, integers(most, torch.int32), integers(most, torch.int32), integers(1, torch.int32)
        ),
    )


def most_tiles(num_assignments: int, num_experts: int, height: int) -> int:
    """Every visited expert may have one tile that is not full."""
    visited = min(num_assignments, num_experts)
    return visited + (num_assignments - visited) // height


def tiles_of(groups: ExpertGroups) -> RowTiles:
    assert groups.tiles is not None, "the groups were made for another device"
    return groups.tiles


def group_by_expert(experts: Tensor, num_experts: int) -> ExpertGroups:
    """experts: [assignments] int64. Called by `kernels.group.group_by_expert`."""
    groups = empty_groups(experts, num_experts)
    order_launch(experts, num_experts, groups).run()
    tiles_launch(groups.offsets, tiles_of(groups)).run()
    return groups
