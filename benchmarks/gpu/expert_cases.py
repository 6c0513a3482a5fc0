"""The experts' kernels, at the batches of decode and at a prefill chunk."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu.case import Case, num_bytes
from benchmarks.gpu.stage import Machine
from kernels.combine import combine, combine_reference
from kernels.gpu.expert_layout import ArrangedMatrix, checkpoint_order
from kernels.group import Assignments, ExpertGroups, group_by_expert, group_by_expert_reference
from kernels.moe_down import moe_down, moe_down_reference
from kernels.moe_gate_up import moe_gate_up, moe_gate_up_reference
from model.config import ModelConfig


def expert_cases(machine: Machine) -> Iterator[Case]:
    for model in machine.sizes.models:
        for num_tokens in (*machine.sizes.batches, machine.sizes.prefill_chunk):
            work = _Work.of(machine, f"{model.name}, {num_tokens} tokens", model.config, num_tokens)
            yield work.gate_up()
            yield work.down()
            yield work.plan()
            yield work.combine()


@dataclass(frozen=True, slots=True)
class _Work:
    """So many tokens, each at experts drawn anew."""

    machine: Machine
    name: str
    config: ModelConfig
    num_tokens: int
    assignments: Assignments
    groups: ExpertGroups
    num_visited: int

    @classmethod
    def of(cls, machine: Machine, name: str, config: ModelConfig, num_tokens: int) -> "_Work":
        top_k, device = config.experts_per_token, machine.device
        chosen = torch.rand(num_tokens, config.num_experts, device=device).topk(top_k).indices
        assignments = Assignments(
            rows=torch.arange(num_tokens * top_k, device=device) // top_k,
            experts=chosen.flatten(),
            weights=torch.rand(num_tokens * top_k, device=device),
        )
        groups = group_by_expert(assignments.experts, config.num_experts)
        num_visited = int((groups.offsets.diff() > 0).sum())
        return cls(machine, name, config, num_tokens, assignments, groups, num_visited)

    def gate_up(self) -> Case:
        work, groups, limit = self.assignments, self.groups, self.config.swiglu_limit
        outs, width = 2 * self.config.intermediate_size, self.config.hidden_size
        weight = random_matrix(self.config.num_experts, outs, width, self.machine.device)
        bias, x = self._values(self.config.num_experts, outs), self._values(self.num_tokens, width)

        def reference() -> Tensor:
            packed = checkpoint_order(weight, in_pairs=True)
            return moe_gate_up_reference(x.double(), work, groups, packed, bias.double(), limit)

        return Case(
            f"gate_up, {self.name}",
            lambda: moe_gate_up(x, work, groups, weight, bias, limit),
            reference,
            self._visited_bytes(weight, bias) + num_bytes(x) + len(work.rows) * outs // 2 * x.element_size(),
            self._goal,
        )

    def down(self) -> Case:
        work, groups = self.assignments, self.groups
        outs, width = self.config.hidden_size, self.config.intermediate_size
        weight = random_matrix(self.config.num_experts, outs, width, self.machine.device)
        bias, y = self._values(self.config.num_experts, outs), self._values(len(work.rows), width)

        def reference() -> Tensor:
            packed = checkpoint_order(weight, in_pairs=False)
            return moe_down_reference(y.double(), work, groups, packed, bias.double())

        return Case(
            f"down, {self.name}",
            lambda: moe_down(y, work, groups, weight, bias),
            reference,
            self._visited_bytes(weight, bias) + num_bytes(y) + len(y) * outs * y.element_size(),
            self._goal,
        )

    def plan(self) -> Case:
        experts, count = self.assignments.experts, self.config.num_experts
        expected = group_by_expert_reference(experts, count).order.double()
        moved = num_bytes(experts, self.groups.order, self.groups.offsets)
        return Case(
            f"plan, {self.name}", lambda: group_by_expert(experts, count).order, lambda: expected, moved
        )

    def combine(self) -> Case:
        top_k = self.config.experts_per_token
        rows = self._values(self.num_tokens, top_k, self.config.hidden_size)
        return Case(
            f"combine, {self.name}",
            lambda: combine(rows),
            lambda: combine_reference(rows.double()),
            num_bytes(rows) * (top_k + 1) // top_k,
        )

    @property
    def _goal(self) -> float | None:
        return self.machine.decode_goal if self.num_tokens in self.machine.sizes.batches else None

    def _values(self, *shape: int) -> Tensor:
        return torch.randn(shape, device=self.machine.device, dtype=self.machine.dtype)

    def _visited_bytes(self, weight: ArrangedMatrix, bias: Tensor) -> int:
        return num_bytes(weight.words, weight.scales, bias) * self.num_visited // self.config.num_experts


def random_matrix(num_experts: int, outs: int, width: int, device: torch.device) -> ArrangedMatrix:
    """Scales that keep the size of the input."""
    shape = (num_experts, width // 32, outs, 8)
    words = torch.randint(-(2**15), 2**15, shape, dtype=torch.int16, device=device)
    exponent = 127 - round(width.bit_length() / 2) - 2
    scales = torch.randint(
        exponent - 1, exponent + 2, (num_experts, -(-width // 128), outs, 4), device=device
    )
    return ArrangedMatrix(words, scales.to(torch.uint8))
