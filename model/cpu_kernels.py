"""The kernels of a CPU as a model needs them: built before its first token."""

import torch

from kernels.cpu.library import CpuKernelsUnavailableError, load_cpu_kernels
from kernels.cpu.settings import CpuKernelSettings
from protos.errors import ConfigError


def prepare_cpu_kernels(device: torch.device, settings: CpuKernelSettings) -> None:
    """For weights there: some seconds, if it has not been done before."""
    if device.type != "cpu":
        return
    try:
        load_cpu_kernels(settings)
    except CpuKernelsUnavailableError as error:
        raise ConfigError(f"{error}; ask for another path, or for none by name") from error
