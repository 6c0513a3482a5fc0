"""The CPU kernels against their limits: `python -m benchmarks.kernels [--quick] --json F`.

Eight 20b-shaped experts, each with the same number of rows. With one row the limit is memory: packed bytes a
second against what this machine reads in the same run (a sum of int64, torch's fastest reader). With many
rows it is arithmetic: against torch's float32 matmul with weights that were unpacked beforehand into 7.5
times the memory, and int8 activations against float32 ones. The last rows compare one matrix with the
reference, which unpacks it in plain PyTorch.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.cpu_kernels import built_cpu_kernels
from benchmarks.dense_cases import attention_rows, dense_rows
from benchmarks.expert_half import NUM_EXPERTS, Half
from benchmarks.huge_pages import on_huge_pages
from benchmarks.interleaving import median_seconds
from benchmarks.reading_memory import against_reading, reading
from benchmarks.report import Row, compared, run
from kernels.cpu.library import CpuKernelsUnavailableError, load_cpu_kernels
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from kernels.mxfp4 import BLOCK_VALUES
from model.config import GPT_OSS_20B

HIDDEN, INTERMEDIATE = GPT_OSS_20B.hidden_size, GPT_OSS_20B.intermediate_size
BANDWIDTH_GOAL = 0.5
"""Of the bandwidth, with one row an expert."""

ROWS_TO_ROUNDS = {1: 15, 4: 9, 16: 7, 64: 5}


def measure(quick: bool) -> Sequence[Row]:
    settings = built_cpu_kernels()
    halves = (Half.random("gate_up", 2 * INTERMEDIATE, HIDDEN), Half.random("down", HIDDEN, INTERMEDIATE))
    int8 = replace(settings, activations=CpuActivations.INT8)
    numbers_of_rows = (1, 4) if quick else tuple(ROWS_TO_ROUNDS)
    rows = [_against_memory(half, num_rows, settings) for half in halves for num_rows in numbers_of_rows]
    rows += [_against_memory(half, 1, int8) for half in halves]
    rows += [_against_memory(halves[0], 1, slower) for slower in _slower_paths(settings)]
    rows += [_against_float32(halves[0], num_rows, settings) for num_rows in numbers_of_rows]
    rows += [_int8_against_float32(halves[0], num_rows, settings, int8) for num_rows in numbers_of_rows]
    rows += [_against_reference(halves[0], num_rows, settings) for num_rows in numbers_of_rows]
    return [*rows, *dense_rows(settings, quick), *attention_rows(settings, quick)]


def _slower_paths(settings: CpuKernelSettings) -> Sequence[CpuKernelSettings]:
    """With both kinds of activations, where the fastest path is the one that is measured."""
    if settings.path is not CpuPath.FASTEST:
        return ()
    slower = [CpuKernelSettings(path) for path in (CpuPath.AVX2, CpuPath.PLAIN) if _is_slower(path, settings)]
    return [replace(each, activations=kind) for each in slower for kind in CpuActivations]


def _is_slower(path: CpuPath, settings: CpuKernelSettings) -> bool:
    fastest = load_cpu_kernels(settings)
    try:
        found = load_cpu_kernels(CpuKernelSettings(path))
    except CpuKernelsUnavailableError:
        return False
    return found is not None and fastest is not None and found.path is not fastest.path


def _against_memory(half: Half, num_rows: int, settings: CpuKernelSettings) -> Row:
    is_slower_path = settings.path is not CpuPath.FASTEST
    num_rounds = 3 if is_slower_path else ROWS_TO_ROUNDS[num_rows]
    seconds = median_seconds({"ours": half.work(num_rows, settings), "read": reading()}, num_rounds)
    name = f"{half.name}, {_rows(num_rows)} an expert"
    name += ", int8" if settings.activations is CpuActivations.INT8 else ""
    return against_reading(
        f"{name}, path {settings.path}" if is_slower_path else name,
        half.num_bytes,
        seconds,
        goal=BANDWIDTH_GOAL if num_rows == 1 and not is_slower_path else None,
    )


def _against_float32(half: Half, num_rows: int, settings: CpuKernelSettings) -> Row:
    _, num_outs, num_blocks = half.weight.scales.shape
    width = num_blocks * BLOCK_VALUES
    unpacked = on_huge_pages(torch.randn(NUM_EXPERTS, num_outs, width))
    x = torch.randn(num_rows, width)

    def matmuls() -> list[Tensor]:
        return [torch.nn.functional.linear(x, matrix) for matrix in unpacked]

    works = {"ours": half.work(num_rows, settings), "float32": matmuls}
    seconds = median_seconds(works, ROWS_TO_ROUNDS[num_rows])
    num_operations = 2 * num_rows * NUM_EXPERTS * num_outs * width
    return compared(
        f"{half.name}, {_rows(num_rows)} an expert",
        "GFLOP/s",
        num_operations / seconds["ours"] / 1e9,
        peer_name="torch float32 matmul",
        peer=num_operations / seconds["float32"] / 1e9,
        higher_is_better=True,
    )


def _int8_against_float32(
    half: Half, num_rows: int, settings: CpuKernelSettings, int8: CpuKernelSettings
) -> Row:
    works = {"int8": half.work(num_rows, int8), "float32": half.work(num_rows, settings)}
    seconds = median_seconds(works, ROWS_TO_ROUNDS[num_rows])
    num_operations = 2 * num_rows * half.num_weights
    return compared(
        f"{half.name}, {_rows(num_rows)} an expert, int8",
        "GFLOP/s",
        num_operations / seconds["int8"] / 1e9,
        peer_name="our float32",
        peer=num_operations / seconds["float32"] / 1e9,
        higher_is_better=True,
    )


def _against_reference(half: Half, num_rows: int, settings: CpuKernelSettings) -> Row:
    reference = CpuKernelSettings(CpuPath.REFERENCE)
    works = {
        "ours": half.work(num_rows, settings, num_experts=1),
        "reference": half.work(num_rows, reference, num_experts=1),
    }
    seconds = median_seconds(works, num_rounds=3)
    return compared(
        f"one {half.name} matrix, {_rows(num_rows)}",
        "ms",
        seconds["ours"] * 1e3,
        peer_name="reference",
        peer=seconds["reference"] * 1e3,
        higher_is_better=False,
    )


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


if __name__ == "__main__":
    sys.exit(run("kernels", ["torch"], measure))
