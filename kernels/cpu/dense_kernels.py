"""Dense layers in the built library: float32 or bfloat16 rows times a bfloat16 matrix, widened as it is read.

`kernels.linear` calls this; its reference is what this is tested against. A row's bits depend on that row
alone, on every path; AVX-512 and AVX2 give the same bits. Where experts take int8, rows are rounded to
bfloat16 here: processors that multiply pairs of those are faster with many rows; AVX-512 and AVX2 without
such products give the same bits.
"""

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from kernels.compact import CompactMatrix, Matrix
from kernels.cpu.compact_kernels import COMPACT_PATHS
from kernels.cpu.library import load_cpu_kernels
from kernels.cpu.numbers import DTYPE_TO_NUMBER, PATH_TO_NUMBER, can_read
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath

_DONE, _OUT_OF_MEMORY = 0, 2  # Status


class _DenseMatmul(ctypes.Structure):
    """dense.cpp says what each field is."""

    _fields_ = (
        *((name, c_int64) for name in ("num_rows", "width", "num_outs")),
        *((name, c_void_p) for name in ("x", "weights")),
        *((name, c_void_p) for name in ("lines", "has_others", "upper_bytes", "others")),
        ("num_lines", c_int64),
        *((name, c_void_p) for name in ("bias", "result")),
        *((name, c_int32) for name in ("type", "bias_type", "instructions")),
        *((name, c_int32) for name in ("rounds_rows", "num_threads")),
    )


@dataclass(frozen=True, slots=True)
class DenseKernels:
    """On one instruction set."""

    path: CpuPath
    library: ctypes.CDLL
    rounds_rows: bool = False  # to bfloat16

    def linear(self, x: Tensor, weight: Matrix, bias: Tensor | None) -> Tensor:
        """Shapes as in kernels.linear."""
        x = x.contiguous()
        num_rows, width = x.shape
        num_outs = weight.shape[0]
        assert weight.shape[1] == width, "the rows are not as wide as the matrix"
        result = x.new_empty(num_rows, num_outs)
        work = _DenseMatmul(
            num_rows,
            width,
            num_outs,
            x.data_ptr(),
            *_addresses(weight),
            None if bias is None else bias.data_ptr(),
            result.data_ptr(),
            DTYPE_TO_NUMBER[x.dtype],
            0 if bias is None else DTYPE_TO_NUMBER[bias.dtype],
            PATH_TO_NUMBER[self.path],
            self.rounds_rows,
            torch.get_num_threads(),
        )
        status = self.library.expertmesh_dense(ctypes.byref(work))
        if status == _OUT_OF_MEMORY:
            raise MemoryError("no memory for a dense layer's rows")
        assert status == _DONE, "a compact matrix met a path without kernels for it"
        return result


def _addresses(weight: Matrix) -> tuple[int | None, ...]:
    """From `weights` to `num_lines`."""
    if isinstance(weight, Tensor):
        return weight.data_ptr(), None, None, None, None, 0
    parts = (weight.lines, weight.has_others, weight.upper_bytes, weight.others)
    return None, *(part.data_ptr() for part in parts), weight.lines.shape[1]


def dense_kernels_for(
    x: Tensor, weight: Matrix, bias: Tensor | None, settings: CpuKernelSettings
) -> DenseKernels | None:
    """What computes these tensors; None: the reference."""
    if not can_read(x):
        return None
    if isinstance(weight, Tensor) and not (weight.dtype is torch.bfloat16 and _can_read_whole(weight)):
        return None
    if bias is not None and not _can_read_whole(bias):
        return None
    kernels = _load(settings)
    if isinstance(weight, CompactMatrix) and kernels is not None and kernels.path not in COMPACT_PATHS:
        return None
    return kernels


def _can_read_whole(tensor: Tensor) -> bool:
    return can_read(tensor) and tensor.is_contiguous()


@cache
def _load(settings: CpuKernelSettings) -> DenseKernels | None:
    kernels = load_cpu_kernels(settings)
    if kernels is None:
        return None
    kernels.library.expertmesh_dense.argtypes = (ctypes.POINTER(_DenseMatmul),)
    kernels.library.expertmesh_dense.restype = c_int32
    rounds_rows = settings.activations is CpuActivations.INT8
    return DenseKernels(kernels.path, kernels.library, rounds_rows)
