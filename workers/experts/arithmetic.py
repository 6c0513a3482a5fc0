"""Which arithmetic a worker's rows come from, in a word: with one word, rows are equal to the last bit.

Decided once, when a worker starts: which kernels run on this device, and for the reference in deterministic
mode at which row tile.
"""

import torch

from kernels.cpu.library import CpuKernelsUnavailableError, load_cpu_kernels
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from model.config import ModelConfig
from model.determinism import expert_row_tile
from model.gpu_experts import gpu_kernels_take
from protos.errors import ConfigError
from workers.experts.shard import ExpertArithmetic

_SAME_BITS = {CpuPath.AVX512: "vector", CpuPath.AVX2: "vector", CpuPath.PLAIN: "plain"}


def expert_arithmetic(
    config: ModelConfig,
    *,
    device: str,
    dtype: torch.dtype,
    deterministic: bool,
    cpu_kernels: CpuKernelSettings,
) -> tuple[str, ExpertArithmetic]:
    """-> its name, and what the shard needs. On a CPU this builds the kernels if need be: some seconds."""
    kind = torch.device(device).type
    path = _cpu_path(cpu_kernels) if kind == "cpu" else None
    if path is not None:
        is_int8 = cpu_kernels.activations is CpuActivations.INT8  # which all paths have the same bits of
        name, row_tile = "cpu-int8" if is_int8 else f"cpu-{_SAME_BITS[path]}", None
    elif gpu_kernels_take(device, dtype, deterministic=deterministic):
        name, row_tile = f"{kind}-kernels", None
    else:
        row_tile = expert_row_tile(config, dtype, device) if deterministic else None
        name = f"{kind}-reference" if row_tile is None else f"{kind}-reference-by-{row_tile}"
    return name, ExpertArithmetic(config.num_experts, config.swiglu_limit, row_tile, cpu_kernels)


def _cpu_path(settings: CpuKernelSettings) -> CpuPath | None:
    try:
        kernels = load_cpu_kernels(settings)
    except CpuKernelsUnavailableError as error:
        raise ConfigError(f"{error}; ask for another path, or for none by name") from error
    return None if kernels is None else kernels.path
