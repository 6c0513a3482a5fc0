"""Packed experts as benchmarks of the CPU kernels take them: one matrix of each of eight 20b-shaped experts.

Not here: clocks and peers (`benchmarks.kernels`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.huge_pages import on_huge_pages
from kernels.cpu.settings import CpuKernelSettings
from kernels.group import Assignments, ExpertGroups, group_by_expert
from kernels.moe_down import moe_down
from kernels.moe_gate_up import moe_gate_up
from kernels.mxfp4 import BLOCK_BYTES, BLOCK_VALUES, PackedMatrix

NUM_EXPERTS = 8  # 106 MB packed: more than a cache holds


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
        weight = PackedMatrix(on_huge_pages(blocks), on_huge_pages(scales))
        return cls(name, weight, torch.randn(NUM_EXPERTS, num_outs).bfloat16())

    @property
    def num_bytes(self) -> int:
        return self.weight.blocks.numel() + self.weight.scales.numel()

    @property
    def num_weights(self) -> int:
        return 2 * self.weight.blocks.numel()

    def run(self, x: Tensor, work: Assignments, groups: ExpertGroups, settings: CpuKernelSettings) -> Tensor:
        if self.name == "gate_up":
            return moe_gate_up(x, work, groups, self.weight, self.bias, 7.0, cpu_kernels=settings)
        return moe_down(x, work, groups, self.weight, self.bias, cpu_kernels=settings)

    def work(
        self, num_rows: int, settings: CpuKernelSettings, num_experts: int = NUM_EXPERTS
    ) -> Callable[[], Tensor]:
        """`num_rows` rows through each of the first `num_experts` experts."""
        experts = torch.arange(num_experts).repeat_interleave(num_rows)  # [assignments]
        rows = torch.arange(num_rows).repeat(num_experts)
        assignments = Assignments(rows, experts, torch.rand(len(experts)))
        # gate_up gathers its rows; down finds them in the order of the groups.
        num_inputs = num_rows if self.name == "gate_up" else len(experts)
        x = torch.randn(num_inputs, self.weight.scales.shape[2] * BLOCK_VALUES)
        return partial(self.run, x, assignments, group_by_expert(experts, NUM_EXPERTS), settings)
