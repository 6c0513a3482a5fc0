"""Dense layers on each path: against float64, and a row's bits in any company, by any number of threads."""

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kernels.cpu.build import COMPILERS
from kernels.cpu.dense_kernels import dense_kernels_for
from kernels.cpu.library import CpuKernels
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from kernels.linear import linear, linear_reference
from tests.kernels.cpu.paths import kernels_or_skip

EPSILON = 2.0**-24
# Outs beside and past a tile, widths beside and past a block, past a stretch of many rows on every path, and
# whose last, shorter line is the 64th or the one behind it.
SHAPES = [(1, 1), (5, 31), (33, 32), (37, 72), (64, 33), (70, 1000), (5, 4090), (5, 4101)]


def settings_of(
    kernels: CpuKernels, activations: CpuActivations = CpuActivations.FLOAT32
) -> CpuKernelSettings:
    return CpuKernelSettings(kernels.path, activations=activations)


def matrix(num_outs: int, width: int) -> Tensor:
    return torch.randn(num_outs, width).bfloat16()


@pytest.mark.parametrize(("num_outs", "width"), SHAPES)
@pytest.mark.parametrize("num_rows", [1, 2, 5, 11, 12, 13, 40])
def test_as_exact_as_float32(kernels: CpuKernels, num_rows: int, num_outs: int, width: int) -> None:
    x, weight, bias = torch.randn(num_rows, width), matrix(num_outs, width), torch.randn(num_outs)
    exact = x.double() @ weight.double().T + bias
    size = x.double().abs() @ weight.double().abs().T + bias.abs()
    # A lane adds a sixteenth of the products, with two roundings each at most; then four sums, and the bias.
    num_roundings = 2 * (-(-width // 32) * 2) + 5
    found = linear(x, weight, bias, cpu_kernels=settings_of(kernels)).double()
    assert ((found - exact).abs() <= num_roundings * EPSILON * size).all()


@pytest.mark.parametrize("activations", CpuActivations)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("num_outs", "width"), [(70, 1000), (326, 352), (5, 4101)])
def test_a_row_has_the_same_bits_in_any_company(
    kernels: CpuKernels, activations: CpuActivations, threads: int, num_outs: int, width: int
) -> None:
    weight, bias, row = matrix(num_outs, width), torch.randn(num_outs), torch.randn(width)
    settings, before = settings_of(kernels, activations), torch.get_num_threads()
    alone = linear(row[None], weight, bias, cpu_kernels=settings)[0]
    torch.set_num_threads(threads)
    try:
        for num_rows in (*range(1, 15), 24, 67, 130):
            company = torch.randn(num_rows, width)
            place = num_rows * 2 // 3
            company[place] = row
            assert torch.equal(linear(company, weight, bias, cpu_kernels=settings)[place], alone), num_rows
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("activations", CpuActivations)
def test_avx512_and_avx2_give_the_same_bits(activations: CpuActivations) -> None:
    """Processors that multiply pairs of bfloat16 do it for AVX-512: then two ways of adding are compared."""
    for path in (CpuPath.AVX512, CpuPath.AVX2):
        kernels_or_skip(path)
    for num_rows, (num_outs, width) in itertools.product((1, 3, 8, 12, 29), SHAPES):
        x, weight = torch.randn(num_rows, width), matrix(num_outs, width)
        wide, narrow = (
            linear(x, weight, None, cpu_kernels=CpuKernelSettings(path, activations=activations))
            for path in (CpuPath.AVX512, CpuPath.AVX2)
        )
        assert torch.equal(wide, narrow)


def test_beside_int8_rows_are_rounded_to_bfloat16(kernels: CpuKernels) -> None:
    x, weight, bias = torch.randn(19, 200), matrix(41, 200), torch.randn(41)
    x[3, 5], x[4, 6], x[5, 7] = 1e-39, -1e-39, 1.17e-38  # too small for a normal number: zero
    rounded = x.bfloat16().float()
    rounded[3, 5] = rounded[4, 6] = rounded[5, 7] = 0
    found = linear(x, weight, bias, cpu_kernels=settings_of(kernels, CpuActivations.INT8))
    assert torch.equal(found, linear(rounded, weight, bias, cpu_kernels=settings_of(kernels)))
    assert not torch.equal(found, linear(x, weight, bias, cpu_kernels=settings_of(kernels)))


@pytest.mark.parametrize("activations", CpuActivations)
def test_numbers_too_small_for_a_normal_one_are_the_same_on_each_path(activations: CpuActivations) -> None:
    """Weights, products, sums on their way, and what biases leave of them."""
    for path in (CpuPath.AVX512, CpuPath.AVX2):
        kernels_or_skip(path)
    scales = 10.0 ** -torch.randint(15, 25, (9, 1))
    x, weight = torch.randn(9, 320) * scales, matrix(33, 320) * 1e-19
    weight[:, ::3] *= 1e-20  # subnormal
    bias = torch.randn(33) * 1e-38
    wide, narrow = (
        linear(x, weight, bias, cpu_kernels=CpuKernelSettings(path, activations=activations))
        for path in (CpuPath.AVX512, CpuPath.AVX2)
    )
    assert torch.equal(wide, narrow)
    is_subnormal = (wide.abs() < torch.finfo(torch.float32).tiny) & (wide != 0)
    assert bool(is_subnormal.any()) == (activations is CpuActivations.FLOAT32)


def test_no_inputs(kernels: CpuKernels) -> None:
    bias = torch.randn(70)
    for num_rows in (1, 5, 20):
        found = linear(
            torch.zeros(num_rows, 0), torch.zeros(70, 0).bfloat16(), bias, cpu_kernels=settings_of(kernels)
        )
        assert torch.equal(found, bias.expand(num_rows, -1))


def test_rounded_rows_without_instructions_for_them(tmp_path: Path) -> None:
    """A compiler that knows none: the same bits. Processors without them compare that with itself."""
    found_compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if found_compiler is None:
        pytest.skip(f"needs a C++ compiler: one of {', '.join(COMPILERS)}")
    kernels_or_skip(CpuPath.AVX512)
    compiler = tmp_path / "compiler"
    compiler.write_text(
        f'#!/bin/sh\ncase "$*" in *-mavx512bf16*) exit 1;; esac\nexec {found_compiler} "$@"\n'
    )
    compiler.chmod(0o755)
    x, weight = torch.randn(21, 448), matrix(70, 448)
    settings = CpuKernelSettings(CpuPath.AVX512, activations=CpuActivations.INT8)
    older = replace(settings, cache=tmp_path / "cache", compiler=str(compiler))
    expected = linear(x, weight, None, cpu_kernels=settings)
    assert torch.equal(linear(x, weight, None, cpu_kernels=older), expected)


def test_whole_numbers_are_exact(kernels: CpuKernels) -> None:
    """Every weight meets its own input: sums of small whole numbers have no rounding to hide behind."""
    x = torch.randint(-9, 10, (13, 77)).float()
    weight = torch.randint(-9, 10, (41, 77)).bfloat16()
    found = linear(x, weight, None, cpu_kernels=settings_of(kernels))
    assert torch.equal(found, x @ weight.float().T)


def test_bfloat16_rows_are_rounded_once(kernels: CpuKernels) -> None:
    x, weight, bias = torch.randn(7, 160).bfloat16(), matrix(35, 160), torch.randn(35).bfloat16()
    found = linear(x, weight, bias, cpu_kernels=settings_of(kernels))
    wide = linear(x.float(), weight, bias.float(), cpu_kernels=settings_of(kernels))
    assert found.dtype is torch.bfloat16
    assert torch.equal(found, wide.bfloat16())


def test_nothing_beyond_the_last_input_is_read(kernels: CpuKernels) -> None:
    """Behind each matrix row stands the next one, behind the last a NaN."""
    storage = torch.full((3 * 45 + 64,), torch.nan).bfloat16()
    weight = storage[: 3 * 45].view(3, 45)
    weight.copy_(torch.arange(3)[:, None].expand(3, 45))
    found = linear(torch.ones(2, 45), weight, None, cpu_kernels=settings_of(kernels))
    assert found.tolist() == [[0, 45, 90]] * 2


def test_nan_and_infinity_stay_in_their_row(kernels: CpuKernels) -> None:
    x, weight = torch.randn(6, 70), matrix(9, 70)
    x[1, 3], x[4, 69] = torch.nan, torch.inf
    found = linear(x, weight, None, cpu_kernels=settings_of(kernels))
    assert (~found.isfinite()).all(dim=1).tolist() == [False, True, False, False, True, False]
    assert found[[0, 2, 3, 5]].isfinite().all()


def test_no_rows(kernels: CpuKernels) -> None:
    assert linear(torch.zeros(0, 64), matrix(3, 64), None, cpu_kernels=settings_of(kernels)).shape == (0, 3)


def test_what_the_kernels_do_not_take_goes_to_the_reference() -> None:
    kernels_or_skip(CpuPath.PLAIN)
    settings, x, weight = CpuKernelSettings(CpuPath.PLAIN), torch.zeros(2, 6), matrix(5, 6)
    assert dense_kernels_for(x, weight, None, settings) is not None
    assert dense_kernels_for(x, weight.float(), None, settings) is None
    assert dense_kernels_for(x, matrix(6, 5).T, None, settings) is None
    assert dense_kernels_for(x.half(), weight, None, settings) is None
    assert dense_kernels_for(x.to("meta"), weight, None, settings) is None
    assert dense_kernels_for(x, weight, torch.zeros(5).half(), settings) is None
    assert dense_kernels_for(x, weight, None, CpuKernelSettings(CpuPath.REFERENCE)) is None


@pytest.mark.parametrize("row_tile", [None, 4])
def test_the_reference_widens_as_it_goes(row_tile: int | None) -> None:
    """More matrix rows than are widened at a time."""
    x, weight, bias = torch.randn(6, 19), matrix(4099, 19), torch.randn(4099).bfloat16()
    found = linear_reference(x, weight, bias, row_tile)
    assert torch.allclose(found.double(), x.double() @ weight.double().T + bias, atol=1e-5)  # 19 products
