"""A whole model in this process: what it prepares before it answers."""

import pytest

from kernels.cpu.settings import CpuKernelSettings, CpuPath
from model.dummy import dummy_weights
from model.local_model import LocalModel
from protos.errors import ConfigError
from tests.model.tiny_model import TINY


def test_a_cpu_path_that_cannot_run_is_refused_when_the_model_is_built() -> None:
    settings = CpuKernelSettings(CpuPath.AVX2, compiler="no-such-compiler")
    with pytest.raises(ConfigError, match="the CPU path avx2 cannot run: no C"):
        LocalModel.of(TINY, dummy_weights(TINY, 5), cpu_kernels=settings)


def test_without_a_compiler_a_model_still_runs() -> None:
    settings = CpuKernelSettings(compiler="no-such-compiler")
    assert LocalModel.of(TINY, dummy_weights(TINY, 5), cpu_kernels=settings).row_tile is None
