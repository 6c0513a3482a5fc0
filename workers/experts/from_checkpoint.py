"""Makes an expert worker of a model folder: what a process that hosts experts calls once.

Not here: any work of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from model.checkpoint import Checkpoint
from model.checkpoint.fingerprint import fingerprint
from model.experts import HeldExperts
from model.gpu_experts import arrange_experts, gpu_kernels_take
from model.weights import Selection
from router.placement import LayerToExperts
from workers.experts.arithmetic import expert_arithmetic
from workers.experts.expert_worker import ExpertWorker, ExpertWorkerSettings


@dataclass(frozen=True, slots=True)
class ExpertWorkerOptions:
    """What an operator says, one way or another."""

    name: str
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    deterministic: bool = False
    capacity_bytes: int | None = None
    credits: int = 4
    max_frame_bytes: int = 64 << 20
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS


def expert_worker(folder: Path, options: ExpertWorkerOptions) -> ExpertWorker:
    """Opens and checks the folder; reads no weights yet."""
    checkpoint = Checkpoint.open(folder)
    config = checkpoint.config
    name, arithmetic = expert_arithmetic(
        config,
        device=options.device,
        dtype=options.dtype,
        deterministic=options.deterministic,
        cpu_kernels=options.cpu_kernels,
    )
    settings = ExpertWorkerSettings(
        name=options.name,
        model=fingerprint(checkpoint),
        arithmetic_name=name,
        num_layers=config.num_layers,
        hidden_size=config.hidden_size,
        dtype=options.dtype,
        device=options.device,
        capacity_bytes=options.capacity_bytes,
        credits=options.credits,
        max_frame_bytes=options.max_frame_bytes,
    )

    is_arranged = gpu_kernels_take(options.device, options.dtype, deterministic=options.deterministic)

    def load(layer_to_experts: LayerToExperts) -> Mapping[int, HeldExperts]:
        selection = Selection(layer_to_experts=layer_to_experts)
        experts = checkpoint.load(selection, device=options.device).experts
        return arrange_experts(experts) if is_arranged else experts

    return ExpertWorker(settings, arithmetic, load)
