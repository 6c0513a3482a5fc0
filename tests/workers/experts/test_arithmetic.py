"""The word for an arithmetic: the same where rows have the same bits, another where they may not."""

import pytest
import torch

from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from protos.errors import ConfigError
from tests.kernels.cpu.paths import kernels_or_skip
from tests.model.tiny_model import TINY
from workers.experts.arithmetic import expert_arithmetic


def name_of(path: CpuPath, *, deterministic: bool = False) -> str:
    settings = CpuKernelSettings(path)
    name, arithmetic = expert_arithmetic(
        TINY, device="cpu", dtype=torch.float32, deterministic=deterministic, cpu_kernels=settings
    )
    assert arithmetic.num_experts == TINY.num_experts
    assert arithmetic.cpu_kernels is settings
    assert (arithmetic.row_tile is not None) == (deterministic and path is CpuPath.REFERENCE)
    return name


def test_kernels_add_in_one_order_in_both_modes() -> None:
    kernels_or_skip(CpuPath.PLAIN)
    assert name_of(CpuPath.PLAIN) == name_of(CpuPath.PLAIN, deterministic=True) == "cpu-plain"


@pytest.mark.parametrize(
    ("dtype", "name"), [(torch.bfloat16, "cuda-kernels"), (torch.float32, "cuda-reference")]
)
def test_on_a_gpu_the_dtype_decides(dtype: torch.dtype, name: str) -> None:
    settings = CpuKernelSettings(CpuPath.REFERENCE)
    found, arithmetic = expert_arithmetic(
        TINY, device="cuda:1", dtype=dtype, deterministic=False, cpu_kernels=settings
    )
    assert found == name
    assert arithmetic.row_tile is None


def test_the_vector_paths_have_one_name() -> None:
    kernels_or_skip(CpuPath.AVX2)
    assert name_of(CpuPath.AVX2) == "cpu-vector"


@pytest.mark.parametrize("path", [CpuPath.AVX2, CpuPath.PLAIN])
def test_int8_activations_have_a_name_that_all_paths_share(path: CpuPath) -> None:
    kernels_or_skip(path)
    name, arithmetic = expert_arithmetic(
        TINY,
        device="cpu",
        dtype=torch.float32,
        deterministic=False,
        cpu_kernels=CpuKernelSettings(path, activations=CpuActivations.INT8),
    )
    assert name == "cpu-int8"
    assert arithmetic.cpu_kernels.activations is CpuActivations.INT8


def test_the_reference_has_a_name_for_each_row_tile() -> None:
    plain, tiled = name_of(CpuPath.REFERENCE), name_of(CpuPath.REFERENCE, deterministic=True)
    assert plain == "cpu-reference"
    assert tiled.removeprefix("cpu-reference-by-").isdigit()


def test_a_path_that_cannot_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="ask for another path"):
        expert_arithmetic(
            TINY,
            device="cpu",
            dtype=torch.float32,
            deterministic=False,
            cpu_kernels=CpuKernelSettings(CpuPath.PLAIN, compiler="no-such-compiler"),
        )
