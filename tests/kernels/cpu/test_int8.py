"""Experts with int8 activations: exact on rounded rows, the same bits everywhere, and what rounding costs."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from kernels.cpu.library import CpuKernels, load_cpu_kernels
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from kernels.group import Assignments
from kernels.mxfp4 import BLOCK_BYTES, PackedMatrix, dequantize, quantize
from tests.kernels.cpu.int8_rows import through_int8
from tests.kernels.cpu.layer import Half, Layer, assign, down, gate_up
from tests.kernels.cpu.paths import BUILT_PATHS, kernels_or_skip

EPSILON = 2.0**-24  # half a unit in the last place of 1.0: the most that one rounding moves it
WORK = ([3, 0, 9, 9, 1, 4], [1, 0, 1, 1, 2, 1])
MANY = ([*range(10), *range(7)], [1] * 10 + [2] * 7)


@pytest.fixture
def int8(kernels: CpuKernels) -> CpuKernels:
    return replace(kernels, activations=CpuActivations.INT8)


def project(layer: Layer, x: Tensor, work: Assignments) -> tuple[Tensor, Tensor]:
    """-> W x + b in float64 of rounded rows, and the sum of terms' sizes, each [assignments, outs]"""
    dense = dequantize(layer.weight, torch.float64)[work.experts]  # [assignments, outs, in]
    rows, bias = through_int8(x)[work.rows], layer.bias[work.experts].double()
    exact = torch.einsum("aoi,ai->ao", dense, rows) + bias
    return exact, torch.einsum("aoi,ai->ao", dense.abs(), rows.abs()) + bias.abs()


# Narrower than a register has lanes, as wide, a last band that reaches back, more than a tile; one block,
# more than a cache line has, as many as their scales are turned at a time, and more.
@pytest.mark.parametrize(
    "shape", [(3, 1, 1), (3, 8, 3), (3, 38, 17), (3, 66, 90), (3, 114, 131), (3, 18, 128)]
)
def test_down_is_exact_on_rounded_rows(int8: CpuKernels, shape: tuple[int, int, int]) -> None:
    layer, work = Layer.random(*shape), assign(*WORK)
    x = torch.randn(10, shape[2] * 32)
    exact, size = project(layer, x, work)
    weights = work.weights[:, None].double()
    # One rounding a block, and those of the bias and of the routing weight.
    allowed = (shape[2] + 2) * EPSILON * size * weights
    assert ((down(int8, layer, x, work).double() - exact * weights).abs() <= allowed).all()


def test_gate_up_is_the_swiglu_of_it(int8: CpuKernels) -> None:
    layer, work, x = Layer.random(3, 116, 7), assign(*WORK), torch.randn(10, 7 * 32)
    exact, size = project(layer, x, work)
    gate, up = exact[:, 0::2].clamp(max=7.0), exact[:, 1::2].clamp(-7.0, 7.0)
    expected = gate * torch.sigmoid(1.702 * gate) * (up + 1)
    error = 8 * EPSILON * size
    # Slopes of the formula: at most 1.1 · (|up| + 1) in gate and |gate| in up; eight roundings of its own.
    allowed = 1.1 * 8 * error[:, 0::2] + 7 * error[:, 1::2] + 8 * EPSILON * (expected.abs() + gate.abs())
    assert ((gate_up(int8, layer, x, work).double() - expected).abs() <= allowed).all()


@pytest.mark.parametrize("half", [gate_up, down])
@pytest.mark.parametrize("shape", [(3, 6, 5), (3, 118, 90), (3, 50, 133)])
@pytest.mark.parametrize("chosen", [WORK, MANY])
@pytest.mark.parametrize("largest", [3, 37])
def test_all_paths_have_the_same_bits(
    half: Half, shape: tuple[int, int, int], chosen: tuple[list[int], list[int]], largest: int
) -> None:
    """Also with scales so large and small that products are infinite or subnormal."""
    layer, work = Layer.random(*shape), assign(*chosen)
    layer.weight.scales[1, :, 1] = torch.randint(0, 256, (shape[1],), dtype=torch.uint8)
    x = torch.randn(10, shape[2] * 32) * torch.logspace(-largest - 1, largest, 10)[:, None]
    x[:, 32:64] = 0
    found = [
        half(replace(kernels_or_skip(path), activations=CpuActivations.INT8), layer, x, work)
        for path in BUILT_PATHS
    ]
    for other in found[1:]:
        assert torch.equal(found[0].view(torch.int32), other.view(torch.int32)) or torch.equal(
            found[0].nan_to_num(nan=0.5), other.nan_to_num(nan=0.5)
        )


@pytest.mark.parametrize("half", [gate_up, down])
@pytest.mark.parametrize(("num_outs", "num_blocks"), [(326, 11), (54, 130)])
def test_a_row_has_the_same_bits_in_any_company(
    int8: CpuKernels, half: Half, num_outs: int, num_blocks: int
) -> None:
    layer, x = Layer.random(3, num_outs, num_blocks), torch.randn(140, num_blocks * 32)
    single = assign([7], [1])
    alone = half(int8, layer, x, single)[0]
    for num_rows in (*range(2, 20), 33, 67, 130):
        place = num_rows // 2
        rows, experts, weights = (
            torch.randperm(140)[:num_rows],
            torch.ones(num_rows).long(),
            torch.rand(num_rows),
        )
        rows[place], weights[place] = 7, single.weights[0]
        experts[torch.rand(num_rows) < 0.2] = 2
        experts[place] = 1
        assert torch.equal(half(int8, layer, x, Assignments(rows, experts, weights))[place], alone)


def test_every_byte_under_every_scale(int8: CpuKernels) -> None:
    """Rows with one value, 127, whose scale is 1: a sum is one weight times it, and zeros."""
    blocks = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, BLOCK_BYTES).repeat(1, 68, 1, 1)
    x, where = torch.eye(512) * 127, torch.arange(512)
    work = Assignments(where, torch.zeros_like(where), torch.ones(512))
    for scale in (1, 2, 63, 127, 200, 240):
        weight = PackedMatrix(blocks, torch.full((1, 68, 16), scale, dtype=torch.uint8))
        found = down(int8, Layer(weight, torch.zeros(1, 68)), x, work)  # [512, 68]
        assert torch.equal(found, dequantize(weight, torch.float32)[0].T * 127)


def test_rows_that_are_no_numbers(int8: CpuKernels) -> None:
    """A NaN and an infinity spoil their own rows; rows of zeros and of next to nothing give the bias."""
    layer = Layer.random(1, 20, 3)
    x = torch.randn(5, 96)
    x[0, 40], x[1, 0], x[2], x[3] = torch.nan, -torch.inf, 0.0, 1e-37
    found = down(int8, layer, x, Assignments(torch.arange(5), torch.zeros(5).long(), torch.ones(5)))
    assert found.isnan().all(dim=1).tolist() == [True, True, False, False, False]
    assert torch.equal(found[2], layer.bias[0])
    assert torch.equal(found[3], layer.bias[0])
    assert not found[4].isnan().any()


def test_a_nan_scale_reaches_the_result(int8: CpuKernels) -> None:
    layer = Layer.random(1, 20, 3)
    layer.weight.scales[0, 17, 2] = 255
    found = down(int8, layer, torch.randn(2, 96), assign([0, 1], [0, 0]))
    assert found.isnan().any(dim=0).tolist() == [out == 17 for out in range(20)]


def test_bfloat16_rows_are_taken(int8: CpuKernels) -> None:
    layer, x, work = Layer.random(3, 34, 5), torch.randn(10, 160).bfloat16(), assign(*WORK)
    found = down(int8, layer, x, work)
    assert found.dtype is torch.bfloat16
    assert torch.equal(found, down(int8, layer, x.float(), work).bfloat16())


def test_the_error_of_one_matmul(int8: CpuKernels) -> None:
    """Normal rows: a step is the largest of 32 magnitudes (2.4 deviations) / 127, an error 0.29 steps.

    That makes 5.4e-3 of the row's norm, and of an output's: both are sums of independent terms. Scales that
    are rounded up add less than a hundredth.
    """
    exact = partial(relative_error, Layer.random(1, 96, 90), torch.randn(40, 2880))
    assert 5e-3 < exact(int8) < 6e-3
    assert exact(replace(int8, activations=CpuActivations.FLOAT32)) < 1e-6


def relative_error(layer: Layer, x: Tensor, kernels: CpuKernels) -> float:
    where = torch.arange(len(x))
    work = Assignments(where, torch.zeros_like(where), torch.ones(len(x)))
    exact = x.double() @ dequantize(layer.weight, torch.float64)[0].T + layer.bias
    return float((down(kernels, layer, x, work) - exact).norm() / exact.norm())


def test_the_error_of_a_whole_expert_is_what_is_said_of_it(int8: CpuKernels) -> None:
    """1e-2: rows are rounded twice, and those behind the SwiGLU have heavier tails than normal ones."""
    up, down_ = (quantize(0.06 * torch.randn(1, outs, 320)) for outs in (640, 96))
    x, where = torch.randn(60, 320), torch.arange(60)
    work = Assignments(where, torch.zeros_like(where), torch.ones(60))
    y = gate_up(int8, Layer(up, torch.zeros(1, 640)), x, work)
    found = down(int8, Layer(down_, torch.zeros(1, 96)), y, work)
    projected = x.double() @ dequantize(up, torch.float64)[0].T  # [60, 640]
    gate, linear = projected[:, 0::2].clamp(max=7.0), projected[:, 1::2].clamp(-7.0, 7.0)
    exact = (gate * torch.sigmoid(1.702 * gate) * (linear + 1)) @ dequantize(down_, torch.float64)[0].T
    assert 0.8e-2 < (found - exact).norm() / exact.norm() < 1.4e-2


def test_the_choice_reaches_the_kernels() -> None:
    kernels_or_skip(CpuPath.PLAIN)
    chosen = load_cpu_kernels(CpuKernelSettings(CpuPath.PLAIN, activations=CpuActivations.INT8))
    usual = load_cpu_kernels(CpuKernelSettings(CpuPath.PLAIN))
    assert chosen is not None
    assert usual is not None
    assert (chosen.activations, usual.activations) == (CpuActivations.INT8, CpuActivations.FLOAT32)
    assert chosen.library is usual.library
