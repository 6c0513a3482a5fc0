"""Each instruction set against float64, and against itself in any company."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from kernels.cpu.library import CpuKernels, CpuKernelsUnavailableError, cpu_kernels_for, load_cpu_kernels
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from kernels.group import Assignments, group_by_expert
from kernels.moe_down import moe_down_reference
from kernels.moe_gate_up import moe_gate_up_reference
from kernels.mxfp4 import BLOCK_BYTES, PackedMatrix, dequantize
from tests.kernels.cpu.paths import BUILT_PATHS, kernels_or_skip

EPSILON = 2.0**-24
LIMIT = 7.0


@pytest.fixture(params=BUILT_PATHS)
def kernels(request: pytest.FixtureRequest) -> CpuKernels:
    return kernels_or_skip(request.param)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def _uninitialised_is_nan() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


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


def project(layer: Layer, x: Tensor, work: Assignments) -> tuple[Tensor, Tensor]:
    """-> W x + b in float64 and the most that float32 may be away from it, each [assignments, outs]"""
    dense = dequantize(layer.weight, torch.float64)[work.experts]  # [assignments, outs, in]
    rows, bias = x[work.rows].double(), layer.bias[work.experts].double()
    exact = torch.einsum("aoi,ai->ao", dense, rows) + bias
    size = torch.einsum("aoi,ai->ao", dense.abs(), rows.abs()) + bias.abs()
    # A lane adds twice a block, with two roundings at most; then four levels of the tree, and the bias.
    num_roundings = 4 * layer.weight.scales.shape[-1] + 5
    return exact, num_roundings * EPSILON * size


Half = Callable[[CpuKernels, Layer, Tensor, Assignments], Tensor]

SHAPES = [(1, 2, 1), (3, 34, 3), (5, 66, 7), (2, 70, 13), (2, 6, 203)]
WORKS = [([0], [0]), ([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9], [0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1])]


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1, 2), (3, 35, 3)])
@pytest.mark.parametrize("work", WORKS)
@pytest.mark.usefixtures("_uninitialised_is_nan")
def test_down_is_as_exact_as_float32(
    kernels: CpuKernels, shape: tuple[int, int, int], work: tuple[list[int], list[int]]
) -> None:
    layer = Layer.random(*shape)
    assignments = assign(work[0], [expert % layer.num_experts for expert in work[1]])
    x = torch.randn(10, shape[2] * 32)
    exact, error = project(layer, x, assignments)
    weights = assignments.weights[:, None].double()
    found = down(kernels, layer, x, assignments).double()
    # One more rounding: the product with the routing weight.
    assert ((found - exact * weights).abs() <= (error + EPSILON * exact.abs()) * weights).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("work", WORKS)
@pytest.mark.usefixtures("_uninitialised_is_nan")
def test_gate_up_is_as_exact_as_float32(
    kernels: CpuKernels, shape: tuple[int, int, int], work: tuple[list[int], list[int]]
) -> None:
    layer = Layer.random(*shape)
    assignments = assign(work[0], [expert % layer.num_experts for expert in work[1]])
    x = torch.randn(10, shape[2] * 32)
    exact, error = project(layer, x, assignments)
    gate, up = exact[:, 0::2].clamp(max=LIMIT), exact[:, 1::2].clamp(-LIMIT, LIMIT)
    expected = gate * torch.sigmoid(1.702 * gate) * (up + 1)
    # Slopes of the formula: at most 1.1 · (|up| + 1) in gate and |gate| in up; eight roundings of its own.
    allowed = 1.1 * 8 * error[:, 0::2] + 7 * error[:, 1::2] + 8 * EPSILON * (expected.abs() + gate.abs())
    assert ((gate_up(kernels, layer, x, assignments).double() - expected).abs() <= allowed).all()


def test_bfloat16_is_rounded_once(kernels: CpuKernels) -> None:
    layer = Layer.random(2, 34, 5)
    layer = Layer(layer.weight, layer.bias.bfloat16())
    x, work = torch.randn(7, 160).bfloat16(), assign([0, 6, 3, 2], [1, 0, 1, 1])
    for half in (down, gate_up):
        found, wide = half(kernels, layer, x, work), half(kernels, layer, x.float(), work)
        assert found.dtype is torch.bfloat16
        assert torch.equal(found, wide.bfloat16())


@pytest.mark.parametrize("scale", [0, 1, 2, 63, 126, 127, 128, 200, 251, 252])
def test_every_byte_under_every_scale(kernels: CpuKernels, scale: int) -> None:
    """Unit rows against one matrix row of all bytes: a sum is one weight, and zeros."""
    blocks = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, BLOCK_BYTES)
    weight = PackedMatrix(blocks, torch.full((1, 1, 16), scale, dtype=torch.uint8))
    x, work = (
        torch.eye(512),
        Assignments(torch.arange(512), torch.zeros(512, dtype=torch.int64), torch.ones(512)),
    )
    found = down(kernels, Layer(weight, torch.zeros(1, 1)), x, work)
    assert torch.equal(found[:, 0], dequantize(weight, torch.float32)[0, 0])


@pytest.mark.parametrize("scale", [253, 254, 255])
def test_overflow_and_nan_are_the_reference_s(kernels: CpuKernels, scale: int) -> None:
    layer = Layer.random(1, 6, 3)
    layer.weight.scales[0, 2, 1] = scale
    layer.weight.scales[0, 5, 0] = scale
    x, work = torch.randn(3, 96), assign([0, 1, 2], [0, 0, 0])
    groups = group_by_expert(work.experts, 1)
    found = kernels.gate_up(x, work, groups, layer.weight, layer.bias, LIMIT)
    expected = moe_gate_up_reference(x, work, groups, layer.weight, layer.bias, LIMIT)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5, equal_nan=True)  # 96 float32 products
    if scale == 255:
        assert found.isnan().any(dim=0).tolist() == [False, True, True]
    found, expected = (
        kernels.down(x, work, groups, layer.weight, layer.bias),
        moe_down_reference(x, work, groups, layer.weight, layer.bias),
    )
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5, equal_nan=True)


def test_zeros_under_a_nan_scale_are_nan(kernels: CpuKernels) -> None:
    scales = torch.tensor([[[255, 127], [127, 127]]], dtype=torch.uint8)
    weight = PackedMatrix(torch.zeros(1, 2, 2, BLOCK_BYTES, dtype=torch.uint8), scales)
    found = down(kernels, Layer(weight, torch.zeros(1, 2)), torch.randn(1, 64), assign([0], [0]))
    assert found.isnan().tolist() == [[True, False]]


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


def test_the_number_of_threads_does_not_show(kernels: CpuKernels) -> None:
    layer, x = Layer.random(2, 326, 11), torch.randn(40, 352)
    work = assign(list(range(40)), [index % 2 for index in range(40)])
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


def test_the_reference_is_close(kernels: CpuKernels) -> None:
    layer, x, work = Layer.random(3, 66, 5), torch.randn(8, 160), assign([0, 7, 7, 2], [2, 0, 1, 2])
    groups = group_by_expert(work.experts, 3)
    found = kernels.gate_up(x, work, groups, layer.weight, layer.bias, LIMIT)
    expected = moe_gate_up_reference(x, work, groups, layer.weight, layer.bias, LIMIT)
    # Outputs of size up to 56, from sums of 160 float32 products in two orders.
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_no_assignments(kernels: CpuKernels) -> None:
    layer, nothing = Layer.random(3, 34, 2), torch.zeros(0, dtype=torch.int64)
    work = Assignments(nothing, nothing, torch.zeros(0))
    assert gate_up(kernels, layer, torch.randn(4, 64), work).shape == (0, 17)
    assert down(kernels, layer, torch.randn(4, 64), work).shape == (0, 34)


@pytest.mark.parametrize("row", [-1, 4])
def test_a_row_that_is_not_there(kernels: CpuKernels, row: int) -> None:
    with pytest.raises(IndexError, match="a row that is not there"):
        gate_up(kernels, Layer.random(2, 34, 2), torch.randn(4, 64), assign([0, row], [0, 1]))


def test_what_the_kernels_do_not_take_goes_to_the_reference() -> None:
    kernels_or_skip(CpuPath.PLAIN)
    weight, settings = Layer.random(2, 34, 2).weight, CpuKernelSettings(CpuPath.PLAIN)
    strided = PackedMatrix(weight.blocks[:, ::2], weight.scales[:, ::2])
    assert cpu_kernels_for(torch.zeros(1, 64), weight, settings) is not None
    assert cpu_kernels_for(torch.zeros(1, 64), strided, settings) is None
    assert cpu_kernels_for(torch.zeros(1, 64).half(), weight, settings) is None
    assert cpu_kernels_for(torch.zeros(1, 64, device="meta"), weight, settings) is None


def test_by_choice_nothing_is_built() -> None:
    assert load_cpu_kernels(CpuKernelSettings(CpuPath.REFERENCE, compiler="no-such-compiler")) is None


def test_the_fastest_path_is_taken() -> None:
    fastest = kernels_or_skip(CpuPath.FASTEST)
    for path in BUILT_PATHS:
        try:
            load_cpu_kernels(CpuKernelSettings(path))
        except CpuKernelsUnavailableError:
            continue
        assert fastest.path is path
        return


def test_without_a_compiler_the_reference_runs_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    settings = CpuKernelSettings(compiler="no-such-compiler")
    with caplog.at_level(logging.WARNING):
        assert load_cpu_kernels(settings) is None
        assert load_cpu_kernels(settings) is None
    [record] = caplog.records
    assert "no C++ compiler is here (looked for no-such-compiler)" in record.getMessage()
    assert "apt-get install g++" in record.getMessage()


def test_a_path_asked_for_by_name_is_not_replaced() -> None:
    with pytest.raises(CpuKernelsUnavailableError, match="the CPU path avx2 cannot run: no C"):
        load_cpu_kernels(CpuKernelSettings(CpuPath.AVX2, compiler="no-such-compiler"))
