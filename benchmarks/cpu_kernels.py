"""The CPU kernels that a benchmark measures, as the environment chooses them; without any it refuses.

Else a figure of plain PyTorch would stand as ours, because a compiler was missing.
"""

import sys

import torch

from benchmarks.report import BenchmarkError
from cluster.environment import cpu_kernel_settings
from kernels.cpu.library import CpuKernelsUnavailableError, load_cpu_kernels
from kernels.cpu.settings import CpuKernelSettings
from protos.errors import ConfigError


def built_cpu_kernels() -> CpuKernelSettings:
    try:
        settings = cpu_kernel_settings()
        kernels = load_cpu_kernels(settings)
    except (ConfigError, CpuKernelsUnavailableError) as error:
        raise BenchmarkError(str(error)) from error
    if kernels is None:
        raise BenchmarkError("there are no CPU kernels here to measure: they were not wanted, or not built")
    print(f"path: {kernels.path}, {torch.get_num_threads()} threads", file=sys.stderr)
    return settings
