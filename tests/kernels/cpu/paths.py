"""The CPU paths that this machine can run, for tests that try each."""

import pytest

from kernels.cpu.library import CpuKernels, CpuKernelsUnavailableError, load_cpu_kernels
from kernels.cpu.settings import CpuKernelSettings, CpuPath

BUILT_PATHS = (CpuPath.AVX512, CpuPath.AVX2, CpuPath.PLAIN)


def kernels_or_skip(path: CpuPath) -> CpuKernels:
    try:
        kernels = load_cpu_kernels(CpuKernelSettings(path))
    except CpuKernelsUnavailableError as error:
        pytest.skip(str(error))
    assert kernels is not None
    return kernels
