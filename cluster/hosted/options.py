"""What the configuration file means for each kind of worker.

Not here: what may be said (`cluster.config`), what the options do. The environment has been read by then.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from cluster.config.config import Config
from cluster.controller.fleet import WorkerSpec
from cluster.tls import tls_files
from kernels.cpu.settings import CpuActivations, CpuKernelSettings
from router.dispatch_frames import CombineMode
from router.exchange import ExchangeSettings
from router.hedging import HedgeSettings
from router.remote_experts import RemoteExpertsSettings
from workers.attention.stage import StageOptions
from workers.engine.local_engine import LocalEngineOptions
from workers.experts.from_checkpoint import ExpertWorkerOptions

_BYTES_OF_GB, _BYTES_OF_MB = 10**9, 1 << 20
_PART_OF_GPU = 0.85
"""For experts; the rest is for rows, and for experts that are loaded before others are let go."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Where a worker's process runs, and how it finds the others."""

    folder: Path  # of the model
    node: str  # a name that workers of one machine share
    host: str  # the address that it binds to, and that others reach it at


def engine_options(config: Config, cpu_kernels: CpuKernelSettings) -> LocalEngineOptions:
    engine = config.engine
    device = engine.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return LocalEngineOptions(
        settings=engine.settings,
        device=device,
        dtype=None if engine.dtype is None else getattr(torch, engine.dtype),
        deterministic=engine.deterministic,
        cache_bytes=None if engine.cache_gb is None else int(engine.cache_gb * _BYTES_OF_GB),
        context_limit=engine.context_limit,
        cpu_kernels=replace(cpu_kernels, activations=CpuActivations(engine.cpu_activations)),
    )


def expert_options(config: Config, name: str, cpu_kernels: CpuKernelSettings) -> ExpertWorkerOptions:
    experts = config.cluster.experts
    device = experts.device or ("cuda" if torch.cuda.is_available() else "cpu")
    engine = engine_options(config, cpu_kernels)
    return ExpertWorkerOptions(
        name=name,
        device=device,
        dtype=engine.activations,
        deterministic=config.engine.deterministic,
        capacity_bytes=_capacity_bytes(device, experts.memory_gb),
        credits=config.router.credits,
        max_frame_bytes=int(config.router.max_frame_mb * _BYTES_OF_MB),
        cpu_kernels=engine.cpu_kernels,
    )


def stage_options(
    config: Config, spec: WorkerSpec, options: HostOptions, cpu_kernels: CpuKernelSettings
) -> StageOptions:
    assert spec.layers, "a stage has layers"
    engine = engine_options(config, cpu_kernels)
    return StageOptions(
        name=spec.name,
        layers=spec.layers,
        device=engine.device,
        dtype=engine.activations,
        cache_bytes=engine.cache_bytes,
        exchange=exchange_settings(config),
        rows=row_settings(config),
        context_limit=engine.context_limit,
        cpu_kernels=engine.cpu_kernels,
        host=options.host,
        tls=tls_files(config),
    )


def _capacity_bytes(device: str, memory_gb: float | None) -> int | None:
    """On a CPU nobody knows what else the memory is for: then None, which is no limit."""
    if memory_gb is not None:
        return int(memory_gb * _BYTES_OF_GB)
    if device == "cpu":
        return None
    return int(_PART_OF_GPU * torch.cuda.get_device_properties(device).total_memory)


def exchange_settings(config: Config) -> ExchangeSettings:
    router = config.router
    return ExchangeSettings(
        frame_deadline_s=router.frame_deadline_s,
        recovery_s=router.recovery_s,
        max_frame_bytes=int(router.max_frame_mb * _BYTES_OF_MB),
        hedge=HedgeSettings() if router.hedge else None,
    )


def row_settings(config: Config) -> RemoteExpertsSettings:
    router = config.router
    return RemoteExpertsSettings(
        combine=CombineMode[router.combine.upper()],
        mxfp8=router.rows == "mxfp8",
        max_frame_bytes=int(router.max_frame_mb * _BYTES_OF_MB),
    )
