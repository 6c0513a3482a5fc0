"""Compact matrices: every bit comes back, products have the stored matrix's bits, memory is given back."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kernels.compact import LINE_BYTES, LINE_VALUES, CompactMatrix
from kernels.cpu.compact_kernels import compact
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from kernels.linear import linear, linear_reference
from model.host_memory import empty_tensor
from tests.kernels.cpu.paths import kernels_or_skip

PATHS = (CpuPath.AVX512, CpuPath.AVX2)
# Outs beside and past a tile and a square; lines of one word of marks, and of two: with 66 a row all rows
# have the same marks, with 67 some are in the second word.
SHAPES = [(1, 64), (2, 128), (33, 192), (70, 320), (5, 66 * 64), (5, 67 * 64)]


@pytest.fixture(params=PATHS)
def settings(request: pytest.FixtureRequest) -> CpuKernelSettings:
    kernels_or_skip(request.param)
    return CpuKernelSettings(request.param)


def trained(num_outs: int, width: int) -> Tensor:
    """As trained matrices are: most values within sixteen upper bytes, a few far outside them, in every
    eleventh line."""
    matrix = torch.randn(num_outs, width).clamp(min=0.01).bfloat16()  # eight upper bytes at most
    matrix.view(-1)[: num_outs * width // 2] *= -1  # eight more
    matrix.view(-1)[7 :: LINE_VALUES * 11] = 3e20
    return matrix


def compacted(matrix: Tensor, settings: CpuKernelSettings) -> CompactMatrix:
    made = compact(matrix.clone(), settings)
    assert isinstance(made, CompactMatrix)
    return made


def same_bits(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.view(torch.int16), b.view(torch.int16))


@pytest.mark.parametrize(("num_outs", "width"), SHAPES)
def test_every_bit_comes_back(settings: CpuKernelSettings, num_outs: int, width: int) -> None:
    matrix = trained(num_outs, width)
    made = compacted(matrix, settings)
    assert made.shape == matrix.shape
    assert same_bits(made.unpacked(), matrix)


def test_special_values_and_zeros(settings: CpuKernelSettings) -> None:
    matrix = trained(40, 640)
    rare = [torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1e-40, -3.3e38]
    for place, value in enumerate(rare):
        matrix[3 * place, 64 * place + 5] = value
    matrix[30] = 0  # a whole row of an upper byte that is rare elsewhere
    assert same_bits(compacted(matrix, settings).unpacked(), matrix)


@pytest.mark.parametrize("num_bytes", [1, 15, 16])
def test_sixteen_upper_bytes_need_no_others(settings: CpuKernelSettings, num_bytes: int) -> None:
    """Any sixteen, in any order: here each lane of a register has another mix."""
    upper = torch.randperm(256)[:num_bytes][torch.randint(num_bytes, (9, 256))]
    matrix = (upper << 8 | torch.randint(256, (9, 256))).to(torch.int16).view(torch.bfloat16)
    made = compacted(matrix, settings)
    assert len(made.others) == 0
    assert same_bits(made.unpacked(), matrix)


def test_a_seventeenth_upper_byte_is_kept_aside_with_its_line(settings: CpuKernelSettings) -> None:
    upper = torch.arange(16).repeat(20)[: 5 * LINE_VALUES].repeat(8, 1)  # [8, 320]
    upper[2, 3 * LINE_VALUES + 63] = 77
    upper[7, 0] = 78
    matrix = (upper << 8).to(torch.int16).view(torch.bfloat16)
    made = compacted(matrix, settings)
    assert made.has_others.tolist() == [[0], [0], [0b01000], [0], [0], [0], [0], [0b00001]]
    assert same_bits(made.unpacked(), matrix)


def test_marks_in_every_word_of_every_row_are_heeded(settings: CpuKernelSettings) -> None:
    """Lines before and behind the border of two words; the first row, one without a neighbour, the last."""
    num_outs, width = 35, 130 * LINE_VALUES
    upper = torch.randint(56, 64, (num_outs, width)) + 128 * torch.randint(2, (num_outs, width))
    places = [(0, 0), (0, 63), (1, 64), (16, 65), (33, 127), (34, 128), (34, 129)]
    for out, line in places:
        upper[out, line * LINE_VALUES : (line + 1) * LINE_VALUES : 9] = torch.arange(8) + 10
    lower = torch.randint(256, upper.shape)
    matrix = (upper << 8 | lower).to(torch.int16).view(torch.bfloat16)
    made = compacted(matrix, settings)
    marks = [(word >> bit & 1) for row in made.has_others.tolist() for word in row for bit in range(64)]
    assert [divmod(place, 192) for place, mark in enumerate(marks) if mark] == places
    assert same_bits(made.unpacked(), matrix)
    for num_rows in (1, 2, 8, 17):
        x = torch.randn(num_rows, width)
        expected = linear(x, matrix, None, cpu_kernels=settings)
        assert torch.equal(linear(x, made, None, cpu_kernels=settings), expected)


def test_a_path_without_kernels_for_it_meets_the_matrix_as_it_was(settings: CpuKernelSettings) -> None:
    matrix, x = trained(9, 128), torch.randn(3, 128)
    expected = linear_reference(x, matrix, None)
    for path in (CpuPath.PLAIN, CpuPath.REFERENCE):
        found = linear(x, compacted(matrix, settings), None, cpu_kernels=CpuKernelSettings(path))
        assert torch.equal(found, expected)


@pytest.mark.parametrize("activations", CpuActivations)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("num_outs", "width"), SHAPES)
def test_products_have_the_bits_of_the_stored_matrix(
    settings: CpuKernelSettings, activations: CpuActivations, threads: int, num_outs: int, width: int
) -> None:
    settings = replace(settings, activations=activations)
    matrix, bias, before = trained(num_outs, width), torch.randn(num_outs), torch.get_num_threads()
    made = compacted(matrix, settings)
    torch.set_num_threads(threads)
    try:
        for num_rows in (*range(1, 18), 24, 67):
            x = torch.randn(num_rows, width)
            expected = linear(x, matrix, bias, cpu_kernels=settings)
            assert torch.equal(linear(x, made, bias, cpu_kernels=settings), expected), num_rows
    finally:
        torch.set_num_threads(before)


def test_bfloat16_rows(settings: CpuKernelSettings) -> None:
    matrix, x = trained(37, 192), torch.randn(11, 192).bfloat16()
    expected = linear(x, matrix, None, cpu_kernels=settings)
    assert torch.equal(linear(x, compacted(matrix, settings), None, cpu_kernels=settings), expected)


def test_what_the_kernels_do_not_take_meets_the_matrix_as_it_was(settings: CpuKernelSettings) -> None:
    matrix, x = trained(9, 128), torch.randn(3, 128).double()
    assert torch.equal(
        linear(x, compacted(matrix, settings), None, cpu_kernels=settings), linear_reference(x, matrix, None)
    )


def test_a_quarter_of_the_memory_is_given_back(settings: CpuKernelSettings) -> None:
    matrix = empty_tensor((8192, 4096), torch.bfloat16)  # 64 MiB, of pages of its own
    matrix.copy_(torch.randn(64, 4096).repeat(128, 1))
    address, before = matrix.data_ptr(), resident_bytes()
    made = compact(matrix, settings)
    assert isinstance(made, CompactMatrix)
    assert made.lines.data_ptr() == address
    assert made.nbytes < 0.77 * matrix.nbytes
    # Others and marks are new; what packing took aside may still be with the allocator.
    assert before - resident_bytes() > 0.2 * matrix.nbytes


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_what_would_gain_nothing_stays(settings: CpuKernelSettings) -> None:
    plain = CpuKernelSettings(CpuPath.PLAIN)
    for matrix, way in (
        (torch.randn(4, 96).bfloat16(), settings),  # half a line
        (torch.randn(4, 128), settings),
        (torch.randn(128, 4).bfloat16().T, settings),
        (torch.randn(4, 128, device="meta").bfloat16(), CpuKernelSettings(CpuPath.AVX2, compiler="no-such")),
        (torch.zeros(0, 64).bfloat16(), settings),
        (torch.randn(4, 128).bfloat16(), plain),
        (torch.randn(4, 128).bfloat16(), CpuKernelSettings(CpuPath.REFERENCE)),
    ):
        assert compact(matrix, way) is matrix


def test_what_no_training_makes_stays_untouched(settings: CpuKernelSettings) -> None:
    noise = torch.randint(-(2**15), 2**15, (20, 256)).to(torch.int16).view(torch.bfloat16)
    before = noise.clone()
    assert compact(noise, settings) is noise
    assert same_bits(noise, before)


def test_a_compact_matrix_stays_compact(settings: CpuKernelSettings) -> None:
    made = compacted(trained(4, 64), settings)
    assert compact(made, settings) is made
    assert made.lines.shape == (4, 1, LINE_BYTES)
