"""Which path is taken, what it refuses, and what happens where nothing can be built."""

import logging

import pytest
import torch

from kernels.cpu.library import CpuKernels, CpuKernelsUnavailableError, cpu_kernels_for, load_cpu_kernels
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from kernels.group import Assignments, ExpertGroups, group_by_expert
from kernels.mxfp4 import PackedMatrix
from tests.kernels.cpu.layer import LIMIT, Layer, assign, down, gate_up
from tests.kernels.cpu.paths import BUILT_PATHS, kernels_or_skip


def test_no_assignments(kernels: CpuKernels) -> None:
    layer, nothing = Layer.random(3, 34, 2), torch.zeros(0, dtype=torch.int64)
    work = Assignments(nothing, nothing, torch.zeros(0))
    assert gate_up(kernels, layer, torch.randn(4, 64), work).shape == (0, 17)
    assert down(kernels, layer, torch.randn(4, 64), work).shape == (0, 34)


@pytest.mark.parametrize("row", [-1, 4])
def test_a_row_that_is_not_there(kernels: CpuKernels, row: int) -> None:
    with pytest.raises(IndexError, match="a row that is not there"):
        gate_up(kernels, Layer.random(2, 34, 2), torch.randn(4, 64), assign([0, row], [0, 1]))


@pytest.mark.parametrize("assignment", [-1, 2])
def test_an_order_that_names_no_assignment(kernels: CpuKernels, assignment: int) -> None:
    layer, work = Layer.random(2, 34, 2), assign([0, 1], [0, 1])
    groups = ExpertGroups(order=torch.tensor([0, assignment]), offsets=torch.tensor([0, 1, 2]))
    with pytest.raises(IndexError, match="do not fit the assignments"):
        kernels.gate_up(torch.randn(2, 64), work, groups, layer.weight, layer.bias, LIMIT)
    with pytest.raises(IndexError, match="do not fit the assignments"):
        kernels.down(torch.randn(2, 64), work, groups, layer.weight, layer.bias)


def test_fewer_rows_than_places(kernels: CpuKernels) -> None:
    layer, work = Layer.random(2, 34, 2), assign([0, 1, 0], [0, 1, 1])
    groups = group_by_expert(work.experts, 2)
    with pytest.raises(IndexError, match="a row that is not there"):
        kernels.down(torch.randn(2, 64), work, groups, layer.weight, layer.bias)


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
