"""A model's experts in the order that the kernels of a GPU read: brought into it once, where they lie.

Not here: the order itself (`kernels.gpu.expert_layout`). `LocalModel.of` calls this when it is told to. In
deterministic mode experts stay as a checkpoint has them, and the plain form runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.gpu.expert_layout import ArrangedMatrix, ScaleOutOfRangeError, arrange
from model.weights import ExpertMatrices, ExpertWeights
from protos.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ArrangedMatrices:
    """The same linear layer of several experts."""

    packed: ArrangedMatrix  # [experts, out, in]
    bias: Tensor  # [experts, out] bfloat16, as in the checkpoint


@dataclass(frozen=True, slots=True)
class ArrangedExperts:
    """What `model.weights.ExpertWeights` becomes."""

    expert_ids: tuple[int, ...]
    gate_up: ArrangedMatrices
    down: ArrangedMatrices


def gpu_kernels_take(device: str, activations: torch.dtype, *, deterministic: bool) -> bool:
    """Whether experts there shall be arranged."""
    return device.startswith("cuda") and activations == torch.bfloat16 and not deterministic


def arrange_experts(experts: Mapping[int, ExpertWeights]) -> Mapping[int, ArrangedExperts]:
    """By layer. Their memory is taken over: whoever still holds the weights holds nonsense."""
    return {layer: _arranged(held, layer) for layer, held in experts.items()}


def _arranged(experts: ExpertWeights, layer: int) -> ArrangedExperts:
    try:
        return ArrangedExperts(
            experts.expert_ids,
            gate_up=_matrices(experts.gate_up, in_pairs=True),
            down=_matrices(experts.down, in_pairs=False),
        )
    except ScaleOutOfRangeError as error:
        raise ConfigError(f"the experts of layer {layer} do not fit the GPU kernels: {error}") from error


def _matrices(matrices: ExpertMatrices, *, in_pairs: bool) -> ArrangedMatrices:
    return ArrangedMatrices(arrange(matrices.packed, in_pairs=in_pairs), matrices.bias)
