"""Routing: of a token's gate logits, the top-k, and a softmax over those k alone.

Equal logits go to the lower expert id, on every device, so that two processes never disagree.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.cpu.row_kernels import row_kernels_for
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.device import takes_gpu_kernels


@dataclass(frozen=True, slots=True)
class Routing:
    """Which experts each token visits, best first, and what their answers weigh."""

    expert_ids: Tensor  # [tokens, top_k] int64
    weights: Tensor  # [tokens, top_k] float32; each row sums to one


def route(logits: Tensor, top_k: int, cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS) -> Routing:
    """logits: [tokens, experts]."""
    if takes_gpu_kernels(logits):
        from kernels.gpu import route as on_gpu

        return Routing(*on_gpu.route(logits, top_k))
    kernels = row_kernels_for(cpu_kernels, logits)
    if kernels is not None:
        return Routing(*kernels.route(logits, top_k))
    return route_reference(logits, top_k)


def route_reference(logits: Tensor, top_k: int) -> Routing:
    """The definition, on every device."""
    ordered = torch.sort(logits.float(), dim=-1, descending=True, stable=True)
    chosen = ordered.values[:, :top_k]  # [tokens, top_k]
    return Routing(expert_ids=ordered.indices[:, :top_k], weights=torch.softmax(chosen, dim=-1))
