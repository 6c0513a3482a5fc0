"""The experts as the forward pass sees them: a protocol, and the implementation that holds all of them here.

The router implements the same protocol over workers elsewhere.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from kernels.combine import combine
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.gpu.expert_layout import ArrangedMatrix
from kernels.group import Assignments, group_by_expert
from kernels.moe_down import moe_down
from kernels.moe_gate_up import moe_gate_up
from kernels.mxfp4 import PackedMatrix
from kernels.route import Routing
from protos.errors import ConfigError


class Experts(Protocol):
    """Σ over a token's slots of weight · expert(x), for every token."""

    def __call__(self, layer: int, x: Tensor, routing: Routing) -> Tensor:
        """x: [tokens, hidden] -> [tokens, hidden] in x's dtype."""
        ...


class HeldMatrices(Protocol):
    """One linear layer of some experts."""

    @property
    def packed(self) -> PackedMatrix | ArrangedMatrix: ...

    @property
    def bias(self) -> Tensor: ...


class HeldExperts(Protocol):
    """Some experts of one layer, as a checkpoint has them (`ExpertWeights`) or in a GPU's order."""

    @property
    def expert_ids(self) -> tuple[int, ...]: ...

    @property
    def gate_up(self) -> HeldMatrices: ...

    @property
    def down(self) -> HeldMatrices: ...


class LocalExperts:
    """Every expert of every layer that this process runs."""

    def __init__(
        self,
        weights: Mapping[int, HeldExperts],
        swiglu_limit: float,
        row_tile: int | None,
        cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
    ) -> None:
        self._weights = weights
        self._layer_to_row_of_expert = {layer: _row_of_expert(held) for layer, held in weights.items()}
        self._swiglu_limit = swiglu_limit
        self._row_tile = row_tile
        self._cpu_kernels = cpu_kernels

    def __call__(self, layer: int, x: Tensor, routing: Routing) -> Tensor:
        num_tokens, top_k = routing.expert_ids.shape
        assignments = Assignments(
            rows=torch.arange(num_tokens * top_k, device=x.device) // top_k,  # token by token
            experts=self._layer_to_row_of_expert[layer][routing.expert_ids.flatten()],
            weights=routing.weights.flatten(),
        )  # [tokens * top_k] each
        rows = run_experts(
            self._weights[layer], x, assignments, self._swiglu_limit, self._row_tile, self._cpu_kernels
        )  # [tokens * top_k, hidden]
        return combine(rows.view(num_tokens, top_k, -1), self._cpu_kernels)


def _row_of_expert(weights: HeldExperts) -> Tensor:
    """[experts] int64: where each expert lies among the weights. None may be missing."""
    expert_ids = torch.tensor(weights.expert_ids, device=weights.gate_up.bias.device)
    if sorted(weights.expert_ids) != list(range(len(weights.expert_ids))):
        raise ConfigError(
            f"experts {weights.expert_ids} are here, with gaps; without a router a process needs every "
            f"expert of its layers"
        )
    return torch.argsort(expert_ids)


def run_experts(
    weights: HeldExperts,
    x: Tensor,
    assignments: Assignments,
    swiglu_limit: float,
    row_tile: int | None,
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
) -> Tensor:
    """x: [rows, hidden] -> weighted rows [assignments, hidden], in the order of the assignments."""
    groups = group_by_expert(assignments.experts, len(weights.expert_ids), cpu_kernels)
    gate_up, down = weights.gate_up, weights.down
    y = moe_gate_up(x, assignments, groups, gate_up.packed, gate_up.bias, swiglu_limit, row_tile, cpu_kernels)
    return moe_down(y, assignments, groups, down.packed, down.bias, row_tile, cpu_kernels)
