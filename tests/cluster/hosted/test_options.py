"""What the file says of arithmetic reaches attention workers and expert workers alike."""

import pytest

from cluster.config.config import Config, EngineConfig
from cluster.hosted.options import engine_options, expert_options
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath


@pytest.mark.parametrize("chosen", list(CpuActivations))
def test_cpu_activations_are_one_choice_for_the_mesh(chosen: CpuActivations) -> None:
    config = Config("model", engine=EngineConfig(device="cpu", cpu_activations=chosen.value))
    of_machine = CpuKernelSettings(CpuPath.PLAIN, compiler="clang++")
    wanted = CpuKernelSettings(CpuPath.PLAIN, compiler="clang++", activations=chosen)
    assert engine_options(config, of_machine).cpu_kernels == wanted
    assert expert_options(config, "expert-0", of_machine).cpu_kernels == wanted


def test_float32_is_what_nobody_has_to_ask_for() -> None:
    options = engine_options(Config("model", engine=EngineConfig(device="cpu")), CpuKernelSettings())
    assert options.cpu_kernels.activations is CpuActivations.FLOAT32
