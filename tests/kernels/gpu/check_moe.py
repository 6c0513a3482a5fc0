"""Both halves of the experts and their plan, interpreted, against the references in float64."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from kernels.gpu.configs import DECODE_TILES, PREFILL_TILES, SHORT_TILES, expert_tiles
from kernels.gpu.expert_layout import ArrangedMatrix, arrange
from kernels.gpu.moe_down import down, down_launch
from kernels.gpu.moe_gate_up import gate_up, gate_up_launch
from kernels.gpu.plan import group_by_expert, most_tiles, tiles_of
from kernels.group import Assignments, ExpertGroups, group_by_expert_reference
from kernels.moe_down import moe_down_reference
from kernels.moe_gate_up import moe_gate_up_reference
from kernels.mxfp4 import BLOCK_BYTES, PackedMatrix

LIMIT = 1.5  # low enough that many values are clamped


def packed_matrix(num_experts: int, outs: int, width: int) -> PackedMatrix:
    shape = (num_experts, outs, width // 32)
    blocks = torch.randint(0, 256, (*shape, BLOCK_BYTES), dtype=torch.uint8)
    return PackedMatrix(blocks, torch.randint(121, 126, shape, dtype=torch.uint8))


def arranged(packed: PackedMatrix, *, in_pairs: bool) -> ArrangedMatrix:
    """A copy, since the reference needs the matrix as it was."""
    return arrange(PackedMatrix(packed.blocks.clone(), packed.scales.clone()), in_pairs=in_pairs)


def assignments(num_rows: int, experts: Tensor) -> Assignments:
    return Assignments(torch.randint(0, num_rows, experts.shape), experts, torch.rand(len(experts)))


def poisoned(*shape: int) -> Tensor:
    return torch.full(shape, torch.nan)


def close(found: Tensor, expected: Tensor) -> bool:
    """float32 sums of some hundred products; the two add in different orders."""
    return bool(
        torch.linalg.norm(found.double() - expected.double()) <= 1e-6 * torch.linalg.norm(expected.double())
    )


def work(num_assignments: int, num_experts: int, num_rows: int) -> tuple[Assignments, ExpertGroups]:
    given = assignments(num_rows, torch.randint(0, num_experts, (num_assignments,)))
    return given, group_by_expert(given.experts, num_experts)


@pytest.mark.parametrize(
    ("num_assignments", "num_experts"), [(1, 1), (4, 9), (37, 5), (130, 3), (2, 128), (2500, 7)]
)
def test_plan(num_assignments: int, num_experts: int) -> None:
    experts = torch.randint(0, num_experts, (num_assignments,))
    experts[experts == 2] = 0  # somebody has nothing to do
    found, expected = group_by_expert(experts, num_experts), group_by_expert_reference(experts, num_experts)
    assert torch.equal(found.order, expected.order)
    assert torch.equal(found.offsets, expected.offsets)
    tiles = tiles_of(found)
    number = int(tiles.number)
    assert number <= tiles.most == most_tiles(num_assignments, num_experts, tiles.height)
    edges = enumerate(pairwise(expected.offsets.tolist()))
    wanted = [(expert, each) for expert, (start, stop) in edges for each in range(start, stop, tiles.height)]
    assert list(zip(tiles.experts.tolist(), tiles.starts.tolist(), strict=True))[:number] == wanted


def test_the_plan_has_room_for_the_worst_case() -> None:
    height = expert_tiles(40, 10).height
    assert most_tiles(40, 10, height) >= 10
    one_each_and_the_rest_in_one = [1] * 9 + [31]
    assert sum(-(-count // height) for count in one_each_and_the_rest_in_one) <= most_tiles(40, 10, height)


SHAPES = [
    pytest.param(4, 6, 96, 64, DECODE_TILES, id="decode"),
    pytest.param(35, 3, 288, 160, SHORT_TILES, id="short"),
    pytest.param(150, 2, 160, 96, PREFILL_TILES, id="prefill"),
]


@pytest.mark.parametrize(("num_assignments", "num_experts", "hidden", "intermediate", "tiles"), SHAPES)
def test_gate_up(
    num_assignments: int, num_experts: int, hidden: int, intermediate: int, tiles: object
) -> None:
    assert expert_tiles(num_assignments, num_experts) is tiles
    x = torch.randn(11, hidden)
    given, groups = work(num_assignments, num_experts, len(x))
    packed = packed_matrix(num_experts, 2 * intermediate, hidden)
    bias = torch.randn(num_experts, 2 * intermediate)
    y = poisoned(num_assignments, intermediate)
    gate_up_launch(x, given, groups, arranged(packed, in_pairs=True), bias, LIMIT, y).run()
    assert close(y, moe_gate_up_reference(x.double(), given, groups, packed, bias.double(), LIMIT))


@pytest.mark.parametrize(("num_assignments", "num_experts", "hidden", "intermediate", "tiles"), SHAPES)
def test_down(num_assignments: int, num_experts: int, hidden: int, intermediate: int, tiles: object) -> None:
    assert expert_tiles(num_assignments, num_experts) is tiles
    given, groups = work(num_assignments, num_experts, 11)
    y = torch.randn(num_assignments, intermediate)
    packed = packed_matrix(num_experts, hidden, intermediate)
    bias = torch.randn(num_experts, hidden)
    rows = poisoned(num_assignments, hidden)
    down_launch(y, given, groups, arranged(packed, in_pairs=False), bias, rows).run()
    assert close(rows, moe_down_reference(y.double(), given, groups, packed, bias.double()))


def test_a_row_of_no_numbers_stays_one_and_stays_alone() -> None:
    x = torch.randn(3, 64)
    x[1] = torch.nan
    given = Assignments(torch.tensor([0, 1, 2]), torch.tensor([1, 1, 1]), torch.ones(3))
    weight, bias = arranged(packed_matrix(2, 2 * 32, 64), in_pairs=True), torch.randn(2, 64)
    y = gate_up(x, given, group_by_expert(given.experts, 2), weight, bias, LIMIT)
    assert y[1].isnan().all()
    assert y[[0, 2]].isfinite().all()


def test_bfloat16_comes_out_as_bfloat16() -> None:
    x = torch.randn(3, 64).bfloat16()
    given, groups = work(5, 4, len(x))
    up, below = packed_matrix(4, 2 * 96, 64), packed_matrix(4, 64, 96)
    up_bias, below_bias = torch.randn(4, 2 * 96).bfloat16(), torch.randn(4, 64).bfloat16()
    y = gate_up(x, given, groups, arranged(up, in_pairs=True), up_bias, LIMIT)
    rows = down(y, given, groups, arranged(below, in_pairs=False), below_bias)
    assert rows.dtype == torch.bfloat16
    wide_y = moe_gate_up_reference(x.double(), given, groups, up, up_bias.double(), LIMIT)
    expected = moe_down_reference(wide_y, given, groups, below, below_bias.double())
    error = torch.linalg.norm(rows.double() - expected) / torch.linalg.norm(expected)
    assert error < 2**-6  # two roundings to 8 bits, which the interpreter makes by cutting off


def test_the_same_bits_twice() -> None:
    x = torch.randn(5, 64)
    given, groups = work(9, 3, len(x))
    weight: ArrangedMatrix = arrange(packed_matrix(3, 2 * 32, 64), in_pairs=True)
    bias = torch.randn(3, 64)
    first, second = (gate_up(x, given, groups, weight, bias, LIMIT) for _ in range(2))
    assert torch.equal(first, second)
