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


class CpuActivations(StrEnum):
    """What kernels multiply the weights with. The reference takes the rows as they are."""

    FLOAT32 = "float32"
    """The rows themselves."""
    INT8 = "int8"
    """In experts 32 values to a scale, in dense layers bfloat16: faster, at a relative error of 1e-2."""


@dataclass(frozen=True, slots=True)
class CpuKernelSettings:
    """The default suits everybody who has a C++ compiler and a home folder."""

    path: CpuPath = CpuPath.FASTEST
    cache: Path | None = None  # where built libraries are kept; None: ~/.cache/expertmesh
    compiler: str | None = None  # None: the first of c++, g++ and clang++ that is there
    activations: CpuActivations = CpuActivations.FLOAT32


DEFAULT_SETTINGS = CpuKernelSettings()
