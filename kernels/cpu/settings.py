"""Which implementation of the kernels runs on a CPU, and where and with what it is built.

Plain values, no torch: what reads the environment (`cluster.environment`) makes one; it is passed down.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class CpuPath(StrEnum):
    """What computes. All but FASTEST are for tests, comparisons and bug reports."""

    FASTEST = "fastest"
    """The best that this processor runs; the reference where nothing can be built."""
    AVX512 = "avx512"
    AVX2 = "avx2"
    PLAIN = "plain"
    """C++ that any processor runs."""
    REFERENCE = "reference"
    """Plain torch: the definition. Nothing is built."""


@dataclass(frozen=True, slots=True)
class CpuKernelSettings:
    """The default suits everybody who has a C++ compiler and a home folder."""

    path: CpuPath = CpuPath.FASTEST
    cache: Path | None = None  # where built libraries are kept; None: ~/.cache/expertmesh
    compiler: str | None = None  # None: the first of c++, g++ and clang++ that is there


DEFAULT_SETTINGS = CpuKernelSettings()
