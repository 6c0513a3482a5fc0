"""Both halves on each path against float64 and against torch's rounding, value by value where it matters."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from kernels.cpu.library import CpuKernels
from kernels.group import Assignments, group_by_expert
from kernels.moe_down import moe_down_reference
from kernels.moe_gate_up import moe_gate_up_reference
from kernels.mxfp4 import BLOCK_BYTES, PackedMatrix, dequantize
from tests.kernels.cpu.layer import LIMIT, Layer, assign, down, gate_up

EPSILON = 2.0**-24
SHAPES = [(1, 2, 1), (3, 34, 3), (5, 66, 7), (2, 70, 13), (2, 6, 203), (2, 34, 0)]
WORKS = [([0], [0]), ([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9], [0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1])]


@pytest.fixture
def _uninitialised_is_nan() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def project(layer: Layer, x: Tensor, work: Assignments) -> tuple[Tensor, Tensor]:
    """-> W x + b in float64 and the most that float32 may be away from it, each [assignments, outs]"""
    dense = dequantize(layer.weight, torch.float64)[work.experts]  # [assignments, outs, in]
    rows, bias = x[work.rows].double(), layer.bias[work.experts].double()
    exact = torch.einsum("aoi,ai->ao", dense, rows) + bias
    size = torch.einsum("aoi,ai->ao", dense.abs(), rows.abs()) + bias.abs()
    # A lane adds twice a block, with two roundings at most; then four levels of the tree, and the bias.
    num_roundings = 4 * layer.weight.scales.shape[-1] + 5
    return exact, num_roundings * EPSILON * size


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


def test_bfloat16_is_rounded_as_torch_rounds(kernels: CpuKernels) -> None:
    """Ties, an overflow, the infinities and NaNs of every bit, brought in by the routing weights."""
    one = PackedMatrix(
        torch.tensor([[[[2] + [0] * 15]]], dtype=torch.uint8), torch.full((1, 1, 1), 127).byte()
    )
    odd = torch.tensor([0x7FFFFFFF, 0x7F800001, 0x7F7FFFFF], dtype=torch.int32).view(torch.float32)
    values = torch.cat([1 + torch.arange(-8.0, 9) / 256, torch.tensor([torch.inf, -torch.inf]), odd, -odd])
    where = torch.zeros(len(values), dtype=torch.int64)
    work, layer = Assignments(where, where, values), Layer(one, torch.zeros(1, 1))
    found = down(kernels, layer, torch.ones(1, 32).bfloat16(), work)[:, 0]
    assert torch.equal(found.nan_to_num(nan=0.125), values.bfloat16().nan_to_num(nan=0.125))


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


def test_the_reference_is_close(kernels: CpuKernels) -> None:
    layer, x, work = Layer.random(3, 66, 5), torch.randn(8, 160), assign([0, 7, 7, 2], [2, 0, 1, 2])
    groups = group_by_expert(work.experts, 3)
    found = kernels.gate_up(x, work, groups, layer.weight, layer.bias, LIMIT)
    expected = moe_gate_up_reference(x, work, groups, layer.weight, layer.bias, LIMIT)
    # Outputs of size up to 56, from sums of 160 float32 products in two orders.
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-4)
