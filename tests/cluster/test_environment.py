"""A real, tiny distribution named `kernels`, beside this process and then beside a fresh interpreter."""

import json
import os
import subprocess
import sys
from pathlib import Path
from platform import libc_ver

import pytest

from cluster.environment import (
    cpu_kernel_settings,
    keep_threads_within_the_limit,
    let_idle_threads_sleep,
    let_ray_keep_to_itself,
    refuse_foreign_kernels,
)
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings, CpuPath
from protos.errors import ConfigError, EnvironmentConflictError


@pytest.fixture
def foreign_site(tmp_path: Path) -> Path:
    """What `pip install kernels` leaves, as far as importlib.metadata looks."""
    metadata = tmp_path / "kernels-9.8.7.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: kernels\nVersion: 9.8.7\n")
    return tmp_path


def test_our_own_environment_is_accepted() -> None:
    refuse_foreign_kernels()


def test_foreign_kernels_are_refused_with_advice(foreign_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(foreign_site)
    with pytest.raises(EnvironmentConflictError) as raised:
        refuse_foreign_kernels()
    assert "'kernels' 9.8.7 is installed" in str(raised.value)
    assert "`pip uninstall kernels`" in str(raised.value)


def test_a_fresh_interpreter_refuses_too(foreign_site: Path) -> None:
    command = [sys.executable, "-c", "from cluster.environment import *; refuse_foreign_kernels()"]
    beside = os.environ | {"PYTHONPATH": str(foreign_site)}
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    refused = subprocess.run(command, env=beside, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "EnvironmentConflictError: the PyPI package 'kernels' 9.8.7" in refused.stderr


def test_a_limit_is_told_to_openmp_unless_the_operator_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    keep_threads_within_the_limit(4, num_bound_cores=4)
    assert "OMP_NUM_THREADS" not in os.environ
    keep_threads_within_the_limit(3, num_bound_cores=4)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    keep_threads_within_the_limit(2, num_bound_cores=4)
    assert os.environ["OMP_NUM_THREADS"] == "3"


WAITING = {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}


def test_idle_threads_spin_for_a_moment_and_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    let_idle_threads_sleep()
    assert {name: os.environ[name] for name in WAITING} == WAITING


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "7")])
def test_what_the_operator_chose_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for each in WAITING:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, value)
    let_idle_threads_sleep()
    assert {each: os.environ[each] for each in WAITING if each in os.environ} == {name: value}


_TAKES_THE_SAME_AGAIN = """
import ctypes, resource, threading
from cluster.environment import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def pages_taken(num_bytes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    memory = libc.malloc(num_bytes)
    libc.memset(ctypes.c_void_p(memory), 1, num_bytes)
    libc.free(ctypes.c_void_p(memory))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
thread = threading.Thread(target=lambda: print([pages_taken(100 << 20) for _ in range(3)]))
thread.start()
thread.join()
"""


def pages_taken_in_turn(environment: dict[str, str]) -> list[int]:
    chosen = ("MALLOC_", "GLIBC_TUNABLES")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(chosen)}
    ended = subprocess.run(
        [sys.executable, "-c", _TAKES_THE_SAME_AGAIN],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    pages: list[int] = json.loads(ended.stdout)
    return pages


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="needs glibc: its malloc is spoken to")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    first, *others = pages_taken_in_turn({})
    assert max(others) < first / 10


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="needs glibc: its malloc is spoken to")
@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_MMAP_THRESHOLD_", "65536"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=65536")],
)
def test_freed_memory_goes_back_where_the_operator_wants_it(name: str, value: str) -> None:
    pages = pages_taken_in_turn({name: value})
    assert min(pages) > max(pages) / 2


@pytest.fixture
def _no_kernel_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXPERTMESH_CPU_KERNELS", "EXPERTMESH_CACHE", "CXX"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_kernel_settings")
def test_cpu_kernels_need_no_settings() -> None:
    assert cpu_kernel_settings() == DEFAULT_SETTINGS


@pytest.mark.usefixtures("_no_kernel_settings")
def test_cpu_kernels_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EXPERTMESH_CPU_KERNELS", "reference")
    monkeypatch.setenv("EXPERTMESH_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "clang++")
    assert cpu_kernel_settings() == CpuKernelSettings(CpuPath.REFERENCE, tmp_path, "clang++")


@pytest.mark.usefixtures("_no_kernel_settings")
def test_an_unknown_choice_of_cpu_kernels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERTMESH_CPU_KERNELS", "avx3")
    with pytest.raises(
        ConfigError, match="'avx3'; it must be one of fastest, avx512, avx2, plain, reference"
    ):
        cpu_kernel_settings()


def test_ray_tells_nobody_of_its_use_and_writes_nothing_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setenv("RAY_DEDUP_LOGS_SKIP_REGEX", "what the operator chose")
    let_ray_keep_to_itself()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] == "what the operator chose"
