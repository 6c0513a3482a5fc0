"""Every path that this machine can run."""

import pytest

from kernels.cpu.library import CpuKernels
from tests.kernels.cpu.paths import BUILT_PATHS, kernels_or_skip


@pytest.fixture(params=BUILT_PATHS)
def kernels(request: pytest.FixtureRequest) -> CpuKernels:
    return kernels_or_skip(request.param)
