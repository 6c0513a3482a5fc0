"""One order of addition: a row's bits alone, in any company, at any place, by any number of threads."""

from collections.abc import Iterator

import pytest
import torch

from kernels.cpu.library import CpuKernels
from kernels.cpu.settings import CpuPath
from kernels.group import Assignments
from kernels.mxfp4 import PackedMatrix
from tests.kernels.cpu.layer import Half, Layer, assign, down, gate_up
from tests.kernels.cpu.paths import kernels_or_skip


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("half", [gate_up, down])
@pytest.mark.parametrize(("num_outs", "num_blocks"), [(326, 11), (6, 101), (4, 203)])
def test_a_row_has_the_same_bits_in_any_company(
    kernels: CpuKernels, threads: int, half: Half, num_outs: int, num_blocks: int
) -> None:
    """Wide matrices pass the places where one, two, three and four rows break off their sums."""
    assert torch.get_num_threads() == threads
    layer = Layer.random(3, num_outs, num_blocks)
    x = torch.randn(140, num_blocks * 32)
    work = assign([7] * 3, [0, 1, 2])
    alone = torch.cat([half(kernels, layer, x, _only(work, index)) for index in range(3)])
    for num_rows in (1, 2, 3, 4, 5, 6, 7, 8, 67, 130):
        place, expert = num_rows // 2, num_rows % 3
        rows = torch.randperm(140)[:num_rows]
        rows[place] = 7
        experts = torch.where(torch.rand(num_rows) < 0.7, expert, torch.randint(0, 3, (num_rows,)))
        experts[place] = expert
        weights = torch.rand(num_rows)
        weights[place] = work.weights[expert]
        assert torch.equal(half(kernels, layer, x, Assignments(rows, experts, weights))[place], alone[expert])


def _only(work: Assignments, index: int) -> Assignments:
    chosen = slice(index, index + 1)
    return Assignments(work.rows[chosen], work.experts[chosen], work.weights[chosen])


@pytest.mark.parametrize(("num_outs", "num_blocks", "num_rows"), [(326, 11, 40), (32_000, 1, 3)])
def test_the_number_of_threads_does_not_show(
    kernels: CpuKernels, num_outs: int, num_blocks: int, num_rows: int
) -> None:
    """The second has so many tiles that threads take the longest runs of them."""
    layer, x = Layer.random(2, num_outs, num_blocks), torch.randn(num_rows, num_blocks * 32)
    work = assign(list(range(num_rows)), [index % 2 for index in range(num_rows)])
    before, found = torch.get_num_threads(), []
    for num_threads in (1, 2, 3, 5):
        torch.set_num_threads(num_threads)
        found.append(gate_up(kernels, layer, x, work))
    torch.set_num_threads(before)
    assert all(torch.equal(each, found[0]) for each in found)


def test_swiglu_has_the_same_bits_wherever_it_stands(kernels: CpuKernels) -> None:
    """Equal matrix rows at every place of a tile and past its end give equal outputs."""
    layer = Layer.random(1, 2, 3)
    weight = PackedMatrix(layer.weight.blocks.repeat(1, 43, 1, 1), layer.weight.scales.repeat(1, 43, 1))
    found = gate_up(
        kernels, Layer(weight, layer.bias.repeat(1, 43)), torch.randn(9, 96), assign([2, 4], [0, 0])
    )
    assert torch.equal(found, found[:, :1].expand(-1, 43))
    assert (found != 0).all()


def test_avx2_and_avx512_agree_to_the_bit() -> None:
    narrow, wide = kernels_or_skip(CpuPath.AVX2), kernels_or_skip(CpuPath.AVX512)
    layer, x = Layer.random(2, 70, 51), torch.randn(9, 51 * 32)
    work = assign([0, 3, 1, 1, 8, 5, 2], [0, 1, 1, 1, 1, 1, 1])
    for half in (down, gate_up):
        assert torch.equal(half(narrow, layer, x, work), half(wide, layer, x, work))
