"""What the process needs from its environment before any command runs, and what it must not find there.

The only file that touches environment variables, but for those of others: huggingface_hub reads its own
(docs/pull.md), and TRITON_INTERPRET is asked for where kernels are chosen (kernels/device.py).

Our top-level package `kernels` shares its name with a PyPI package; whichever is found first would win
silently, so its mere presence is refused (docs/adr/0002-top-level-packages.md).
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from protos.errors import ConfigError, EnvironmentConflictError

_WAITING = {
    "OMP_WAIT_POLICY": "active",
    "GOMP_SPINCOUNT": "1000",
    "KMP_BLOCKTIME": "1",  # LLVM's and Intel's OpenMP would take "active" for ever; in milliseconds
}

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # malloc.h
_KEEPING = ((_M_TRIM_THRESHOLD, 2**31 - 1), (_M_MMAP_MAX, 0), (_M_ARENA_MAX, 1))

if TYPE_CHECKING:
    from kernels.cpu.settings import CpuKernelSettings


def refuse_foreign_kernels(distribution_name: str = "kernels") -> None:
    """Raise when the PyPI package `kernels` is installed beside us."""
    try:
        foreign = distribution(distribution_name)
    except PackageNotFoundError:
        return
    raise EnvironmentConflictError(
        f"the PyPI package {distribution_name!r} {foreign.version} is installed in this environment, and its "
        f"import name collides with ExpertMesh's own kernels/ package. Run "
        f"`pip uninstall {distribution_name}`, or install ExpertMesh in an environment of its own."
    )


def let_idle_threads_sleep() -> None:
    """Tell OpenMP, before torch loads it, that a waiting thread spins for microseconds, then sleeps.

    On a machine that has other work too, threads that spin for long slow each other down: a small model
    took up to twenty times as long (docs/log.md). What the operator chose stands.

    "active" is for libgomp: without it, it spins a tenth as long once two threads of the process have called
    torch (the one that loaded the model and the engine's), and a step took nearly twice as long.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ.update(_WAITING)


def keep_freed_memory() -> None:
    """Tell glibc, before there are threads, to keep what a step of the model frees.

    Else the system takes much of it back, and fills it with zeros before the next step may use it: a step of
    another size than the last took up to 9,000 pages anew, some ten milliseconds (docs/log.md). All threads
    share one arena, since what is freed in another goes back whatever is said here. What loading has freed
    goes back once, when the cache is sized (`workers.cache.sizing`); after that memory stays at its peak.

    Not for workers in Ray, whose processes have threads, and so arenas, before we come. What the operator
    chose stands.
    """
    if any(name.startswith("MALLOC_") for name in os.environ) or "glibc.malloc" in os.environ.get(
        "GLIBC_TUNABLES", ""
    ):
        return
    with suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in _KEEPING:
            mallopt(option, value)


def keep_threads_within_the_limit(num_cores: int, num_bound_cores: int) -> None:
    """Tell OpenMP, before torch loads it, of a container's limit. What the operator chose stands.

    In cluster mode each worker is told its part of the cores (`cluster.ray.needs`).
    """
    if num_cores < num_bound_cores:
        os.environ.setdefault("OMP_NUM_THREADS", str(num_cores))


def let_ray_keep_to_itself() -> None:
    """Before Ray is imported: it reports its use over the network unless it is told not to.

    It also writes a long paragraph to the terminal for every worker that dies, while ours say it in one line.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")


def may_color() -> bool:
    """Not where NO_COLOR is set (no-color.org), or the terminal can do nothing but print."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def cpu_kernel_settings() -> CpuKernelSettings:
    """EXPERTMESH_CPU_KERNELS names a path, EXPERTMESH_CACHE the folder of what is built, CXX the compiler."""
    from kernels.cpu.settings import CpuKernelSettings, CpuPath  # only once foreign kernels are refused

    name = os.environ.get("EXPERTMESH_CPU_KERNELS", CpuPath.FASTEST)
    if name not in set(CpuPath):
        raise ConfigError(
            f"EXPERTMESH_CPU_KERNELS is {name!r}; it must be one of {', '.join(CpuPath)}, or not be set"
        )
    cache = os.environ.get("EXPERTMESH_CACHE")
    return CpuKernelSettings(
        path=CpuPath(name),
        cache=None if cache is None else Path(cache).expanduser(),
        compiler=os.environ.get("CXX"),
    )
