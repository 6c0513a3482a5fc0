"""The experts that a worker hosts: any experts of any layers, packed, in an order of its own.

Immutable: to host others is to make another shard, which shares the layers that stay. Not here: frames,
threads and loading (`expert_worker`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.group import Assignments
from model.experts import HeldExperts, run_experts
from protos.errors import ExpertNotHereError
from router.dispatch_frames import CombineMode
from router.placement import LayerToExperts
from workers.experts.joining import choose, join, num_bytes


@dataclass(frozen=True, slots=True)
class ExpertArithmetic:
    """What a row's bits depend on beside its expert's weights."""

    num_experts: int  # of a layer of the model
    swiglu_limit: float
    row_tile: int | None = None
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS


@dataclass(frozen=True, slots=True)
class HostedLayer:
    """Some experts of one layer."""

    weights: HeldExperts
    places: NDArray[np.int64]  # [experts of the layer] where each lies; behind the last where it does not

    @classmethod
    def of(cls, weights: HeldExperts, num_experts: int) -> "HostedLayer":
        places = np.full(num_experts, len(weights.expert_ids), dtype=np.int64)
        places[list(weights.expert_ids)] = np.arange(len(weights.expert_ids))
        return cls(weights, places)


@dataclass(frozen=True, slots=True)
class ExpertShard:
    """An empty one hosts nothing."""

    arithmetic: ExpertArithmetic
    layers: Mapping[int, HostedLayer]

    @property
    def layer_to_experts(self) -> LayerToExperts:
        return {layer: tuple(sorted(hosted.weights.expert_ids)) for layer, hosted in self.layers.items()}

    @property
    def num_bytes(self) -> int:
        return sum(num_bytes(hosted.weights) for hosted in self.layers.values())

    def run(self, layer: int, x: Tensor, assignments: Assignments, mode: CombineMode) -> Tensor:
        """x: [rows, hidden], experts as the layer numbers them -> [assignments or rows, hidden]"""
        rows = self.run_exactly(layer, x, assignments)
        if mode is CombineMode.EXACT:
            return rows
        return sum_by_row(rows, assignments.rows, len(x))

    def run_exactly(self, layer: int, x: Tensor, assignments: Assignments) -> Tensor:
        """-> weighted rows, [assignments, hidden]"""
        hosted = self.layers.get(layer)
        if hosted is None:
            raise ExpertNotHereError(f"no expert of layer {layer} is here")
        local = torch.from_numpy(self._places(layer, hosted, assignments.experts.cpu().numpy()))
        here = Assignments(assignments.rows, local.to(x.device), assignments.weights)
        made = self.arithmetic
        return run_experts(hosted.weights, x, here, made.swiglu_limit, made.row_tile, made.cpu_kernels)

    def _places(self, layer: int, hosted: HostedLayer, experts: NDArray[np.int64]) -> NDArray[np.int64]:
        """experts: [assignments] -> where their weights lie; one that is not here is refused."""
        num_experts = len(hosted.places)
        if experts.min() < 0 or experts.max() >= num_experts:
            raise ExpertNotHereError(
                f"experts {experts.min()} to {experts.max()} are asked for; layer {layer} has {num_experts}"
            )
        places: NDArray[np.int64] = hosted.places[experts]
        missing = experts[places == len(hosted.weights.expert_ids)]
        if len(missing):
            raise ExpertNotHereError(f"expert {missing[0]} of layer {layer} is not here")
        return places

    def with_experts(self, layer: int, added: HeldExperts) -> "ExpertShard":
        """One layer more, or more of one: then its weights are copied into one piece."""
        hosted = self.layers.get(layer)
        weights = added if hosted is None else join(hosted.weights, added)
        return self._with(layer, HostedLayer.of(weights, self.arithmetic.num_experts))

    def with_only(self, layer_to_experts: LayerToExperts) -> "ExpertShard":
        """The same without all others; those that are not here are not missed."""
        shard = replace(
            self, layers={layer: self.layers[layer] for layer in layer_to_experts if layer in self.layers}
        )
        for layer, hosted in shard.layers.items():
            kept = tuple(expert for expert in hosted.weights.expert_ids if expert in layer_to_experts[layer])
            if kept != hosted.weights.expert_ids:
                places = hosted.places[list(kept)]
                chosen = choose(hosted.weights, kept, torch.from_numpy(places))
                shard = shard._with(layer, HostedLayer.of(chosen, self.arithmetic.num_experts))
        return replace(
            shard,
            layers={layer: hosted for layer, hosted in shard.layers.items() if hosted.weights.expert_ids},
        )

    def _with(self, layer: int, hosted: HostedLayer) -> "ExpertShard":
        return replace(self, layers={**self.layers, layer: hosted})


def sum_by_row(rows: Tensor, targets: Tensor, num_rows: int) -> Tensor:
    """rows: [assignments, hidden], targets: [assignments] -> [rows, hidden]: the sum of each row's own."""
    total = torch.zeros(num_rows, rows.shape[1], dtype=torch.float32, device=rows.device)
    return total.index_add_(0, targets, rows.float()).to(rows.dtype)
