"""Both halves of the experts against the formula in float64, one assignment at a time."""

import math

import pytest
import torch
from torch import Tensor

from kernels.cpu.settings import CpuKernelSettings, CpuPath
from kernels.group import Assignments, group_by_expert
from kernels.moe_down import moe_down, moe_down_reference
from kernels.moe_gate_up import SWIGLU_ALPHA, moe_gate_up, moe_gate_up_reference, swiglu
from kernels.mxfp4 import PackedMatrix, dequantize, quantize

NUM_EXPERTS, HIDDEN, INTERMEDIATE, NUM_ROWS = 5, 96, 64, 9
LIMIT = 1.5  # low enough that many values are clamped


def packed_matrix(out: int, width: int) -> PackedMatrix:
    return quantize(torch.randn(NUM_EXPERTS, out, width) * width**-0.5)


def random_assignments(experts: list[int]) -> Assignments:
    return Assignments(
        rows=torch.randint(0, NUM_ROWS, (len(experts),)),
        experts=torch.tensor(experts),
        weights=torch.rand(len(experts)),
    )


def swiglu_of_pair(gate: float, up: float) -> float:
    gate, up = min(gate, LIMIT), max(-LIMIT, min(up, LIMIT))
    return gate / (1 + math.exp(-1.702 * gate)) * (up + 1)


def expected_rows(x: Tensor, work: Assignments, up: PackedMatrix, up_bias: Tensor) -> Tensor:
    """-> [assignments, intermediate] float64, in assignment order"""
    dense = dequantize(up, torch.float64)
    rows = []
    for row, expert in zip(work.rows.tolist(), work.experts.tolist(), strict=True):
        projected = (dense[expert] @ x[row].double() + up_bias[expert].double()).tolist()
        pairs = zip(projected[0::2], projected[1::2], strict=True)
        rows.append([swiglu_of_pair(gate, value) for gate, value in pairs])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("path", [CpuPath.FASTEST, CpuPath.REFERENCE])
@pytest.mark.parametrize("row_tile", [None, 4])
@pytest.mark.parametrize("experts", [[3], [1, 1, 1], [4, 0, 2, 0, 4, 4, 0, 2], [2, 1] * 9])
def test_both_halves(experts: list[int], row_tile: int | None, path: CpuPath) -> None:
    x = torch.randn(NUM_ROWS, HIDDEN) * 2
    work = random_assignments(experts)
    groups = group_by_expert(work.experts, NUM_EXPERTS)
    gate_up, gate_up_bias = (
        packed_matrix(2 * INTERMEDIATE, HIDDEN),
        torch.randn(NUM_EXPERTS, 2 * INTERMEDIATE),
    )
    down, down_bias = packed_matrix(HIDDEN, INTERMEDIATE), torch.randn(NUM_EXPERTS, HIDDEN)

    y = moe_gate_up(x, work, groups, gate_up, gate_up_bias, LIMIT, row_tile, CpuKernelSettings(path))
    expected_y = expected_rows(x, work, gate_up, gate_up_bias)
    # 1e-5: float32 sums of 96 products of size about 1.
    assert torch.allclose(y.double(), expected_y[groups.order], atol=1e-5)

    found = moe_down(y, work, groups, down, down_bias, row_tile, CpuKernelSettings(path))
    dense = dequantize(down, torch.float64)[work.experts]  # [assignments, hidden, intermediate]
    projected = torch.einsum("ahi,ai->ah", dense, expected_y) + down_bias[work.experts].double()
    assert torch.allclose(found.double(), projected * work.weights[:, None].double(), atol=1e-5)


def test_without_a_compiler_both_halves_are_the_reference() -> None:
    x, work = torch.randn(NUM_ROWS, HIDDEN), random_assignments([3, 0, 3])
    groups = group_by_expert(work.experts, NUM_EXPERTS)
    settings = CpuKernelSettings(compiler="no-such-compiler")
    weight, bias = packed_matrix(2 * INTERMEDIATE, HIDDEN), torch.randn(NUM_EXPERTS, 2 * INTERMEDIATE)
    found = moe_gate_up(x, work, groups, weight, bias, LIMIT, cpu_kernels=settings)
    assert torch.equal(found, moe_gate_up_reference(x, work, groups, weight, bias, LIMIT))
    found = moe_down(x[: len(work.rows)], work, groups, weight, bias, cpu_kernels=settings)
    assert torch.equal(found, moe_down_reference(x[: len(work.rows)], work, groups, weight, bias))


def test_swiglu_reads_gate_and_up_interleaved() -> None:
    projected = torch.tensor([[1.0, 2.0, -3.0, 0.5]])
    expected = [1.0 / (1 + math.exp(-SWIGLU_ALPHA)) * 3.0, -3.0 / (1 + math.exp(3 * SWIGLU_ALPHA)) * 1.5]
    assert swiglu(projected, 7.0)[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_swiglu_of_extreme_gates_is_finite() -> None:
    projected = torch.tensor([[-1e30, 1e30, 1e30, -1e30]])
    assert swiglu(projected, 7.0).tolist() == [[0.0, pytest.approx(7.0 * -6.0, rel=1e-4)]]


def test_an_element_has_the_same_bits_wherever_it_stands() -> None:
    """Seven columns: every row has another place in the vector registers, the last ones in their tail."""
    rows = torch.randn(400, 14)
    together = swiglu(rows, 7.0)
    for index in range(400):
        assert torch.equal(swiglu(rows[index : index + 1], 7.0)[0], together[index])
