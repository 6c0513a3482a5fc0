"""The CPU kernels against their limits: `python -m benchmarks.kernels [--quick] --json F`.

Eight 20b-shaped experts, each with the same number of rows. With one row the limit is memory: packed bytes a
second against what this machine reads in the same run (a sum of int64, torch's fastest reader). With many
rows it is arithmetic: against torch's float32 matmul with weights that were unpacked beforehand into 7.5
times the memory. The last rows compare one matrix with the reference, which unpacks it in plain PyTorch.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.cpu_kernels import built_cpu_kernels
from benchmarks.dense_cases import attention_rows, dense_rows
from benchmarks.interleaving import interleaved_medians, seconds_of
from benchmarks.report import Row, compared, run
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from kernels.group import Assignments, ExpertGroups, group_by_expert
from kernels.moe_down import moe_down
from kernels.moe_gate_up import moe_gate_up
from kernels.mxfp4 import BLOCK_BYTES, BLOCK_VALUES, PackedMatrix
from model.config import GPT_OSS_20B

NUM_EXPERTS = 8  # 106 MB packed: more than a cache holds
HIDDEN, INTERMEDIATE = GPT_OSS_20B.hidden_size, GPT_OSS_20B.intermediate_size
BANDWIDTH_GOAL = 0.5
"""Of the bandwidth, with one row an expert."""

READ_BYTES = 1 << 28
ROWS_TO_ROUNDS = {1: 15, 4: 9, 16: 7, 64: 5}


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two matrices of every expert."""

    name: str
    weight: PackedMatrix  # [experts, outs, in]
    bias: Tensor  # [experts, outs]

    @classmethod
    def random(cls, name: str, num_outs: int, width: int) -> "Half":
        shape = (NUM_EXPERTS, num_outs, width // BLOCK_VALUES)
        blocks = torch.randint(0, 256, (*shape, BLOCK_BYTES), dtype=torch.uint8)
        scales = torch.randint(115, 125, shape, dtype=torch.uint8)
        return cls(name, PackedMatrix(blocks, scales), torch.randn(NUM_EXPERTS, num_outs).bfloat16())

    @property
    def num_bytes(self) -> int:
        return self.weight.blocks.numel() + self.weight.scales.numel()

    def run(self, x: Tensor, work: Assignments, groups: ExpertGroups, settings: CpuKernelSettings) -> Tensor:
        if self.name == "gate_up":
            return moe_gate_up(x, work, groups, self.weight, self.bias, 7.0, cpu_kernels=settings)
        return moe_down(x[work.rows], work, groups, self.weight, self.bias, cpu_kernels=settings)

    def work(
        self, num_rows: int, settings: CpuKernelSettings, num_experts: int = NUM_EXPERTS
    ) -> Callable[[], Tensor]:
        """`num_rows` rows through each of the first `num_experts` experts."""
        experts = torch.arange(num_experts).repeat_interleave(num_rows)  # [assignments]
        rows = torch.arange(num_rows).repeat(num_experts)
        assignments = Assignments(rows, experts, torch.rand(len(experts)))
        x = torch.randn(num_rows, self.weight.scales.shape[2] * BLOCK_VALUES)
        return partial(self.run, x, assignments, group_by_expert(experts, NUM_EXPERTS), settings)


def measure(quick: bool) -> Sequence[Row]:
    settings = built_cpu_kernels()
    halves = (Half.random("gate_up", 2 * INTERMEDIATE, HIDDEN), Half.random("down", HIDDEN, INTERMEDIATE))
    numbers_of_rows = (1, 4) if quick else tuple(ROWS_TO_ROUNDS)
    rows = [_against_memory(half, num_rows, settings) for half in halves for num_rows in numbers_of_rows]
    rows += [_other_path(halves[0], path) for path in _slower_paths(settings)]
    rows += [_against_float32(halves[0], num_rows, settings) for num_rows in numbers_of_rows]
    rows += [_against_reference(halves[0], num_rows, settings) for num_rows in numbers_of_rows]
    return [*rows, *dense_rows(settings, quick), *attention_rows(settings, quick)]


def _slower_paths(settings: CpuKernelSettings) -> Sequence[CpuPath]:
    return (CpuPath.PLAIN,) if settings.path is CpuPath.FASTEST else ()


def _against_memory(half: Half, num_rows: int, settings: CpuKernelSettings) -> Row:
    memory = torch.ones(READ_BYTES // 8, dtype=torch.int64)
    seconds = _seconds({"ours": half.work(num_rows, settings), "read": memory.sum}, ROWS_TO_ROUNDS[num_rows])
    return compared(
        f"{half.name}, {_rows(num_rows)} an expert",
        "GB/s",
        half.num_bytes / seconds["ours"] / 1e9,
        peer_name="reading memory",
        peer=READ_BYTES / seconds["read"] / 1e9,
        higher_is_better=True,
        goal=BANDWIDTH_GOAL if num_rows == 1 else None,
    )


def _other_path(half: Half, path: CpuPath) -> Row:
    memory = torch.ones(READ_BYTES // 8, dtype=torch.int64)
    seconds = _seconds({"ours": half.work(1, CpuKernelSettings(path)), "read": memory.sum}, num_rounds=3)
    return compared(
        f"{half.name}, {_rows(1)} an expert, path {path}",
        "GB/s",
        half.num_bytes / seconds["ours"] / 1e9,
        peer_name="reading memory",
        peer=READ_BYTES / seconds["read"] / 1e9,
        higher_is_better=True,
    )


def _against_float32(half: Half, num_rows: int, settings: CpuKernelSettings) -> Row:
    _, num_outs, num_blocks = half.weight.scales.shape
    width = num_blocks * BLOCK_VALUES
    unpacked = torch.randn(NUM_EXPERTS, num_outs, width)
    x = torch.randn(num_rows, width)

    def matmuls() -> list[Tensor]:
        return [torch.nn.functional.linear(x, matrix) for matrix in unpacked]

    seconds = _seconds({"ours": half.work(num_rows, settings), "float32": matmuls}, ROWS_TO_ROUNDS[num_rows])
    num_operations = 2 * num_rows * NUM_EXPERTS * num_outs * width
    return compared(
        f"{half.name}, {_rows(num_rows)} an expert",
        "GFLOP/s",
        num_operations / seconds["ours"] / 1e9,
        peer_name="torch float32 matmul",
        peer=num_operations / seconds["float32"] / 1e9,
        higher_is_better=True,
    )


def _against_reference(half: Half, num_rows: int, settings: CpuKernelSettings) -> Row:
    reference = CpuKernelSettings(CpuPath.REFERENCE)
    works = {
        "ours": half.work(num_rows, settings, num_experts=1),
        "reference": half.work(num_rows, reference, num_experts=1),
    }
    seconds = _seconds(works, num_rounds=3)
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


def _seconds(works: Mapping[str, Callable[[], object]], num_rounds: int) -> Mapping[str, float]:
    return interleaved_medians({name: partial(seconds_of, work) for name, work in works.items()}, num_rounds)


if __name__ == "__main__":
    sys.exit(run("kernels", ["torch"], measure))
