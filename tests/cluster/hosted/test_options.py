"""What the file says of arithmetic reaches attention workers, stages and expert workers alike."""

from pathlib import Path

import pytest

from cluster.config.config import Config, EngineConfig
from cluster.controller.fleet import WorkerSpec
from cluster.hosted.options import HostOptions, engine_options, expert_options, stage_options
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from workers.membership.members import WorkerKind


@pytest.mark.parametrize("chosen", list(CpuActivations))
def test_cpu_activations_are_one_choice_for_the_mesh(chosen: CpuActivations) -> None:
    config = Config("model", engine=EngineConfig(device="cpu", cpu_activations=chosen.value))
    of_machine = CpuKernelSettings(CpuPath.PLAIN, compiler="clang++")
    wanted = CpuKernelSettings(CpuPath.PLAIN, compiler="clang++", activations=chosen)
    assert engine_options(config, of_machine).cpu_kernels == wanted
    assert expert_options(config, "expert-0", of_machine).cpu_kernels == wanted
    stage = WorkerSpec("stage-0", WorkerKind.STAGE, layers=(2, 3))
    host = HostOptions(Path("model"), "node-0", "127.0.0.1")
    assert stage_options(config, stage, host, of_machine).cpu_kernels == wanted


def test_float32_is_what_nobody_has_to_ask_for() -> None:
    options = engine_options(Config("model", engine=EngineConfig(device="cpu")), CpuKernelSettings())
    assert options.cpu_kernels.activations is CpuActivations.FLOAT32
