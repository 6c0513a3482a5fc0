"""Makes dense matrices compact for the kernels of a CPU: once, where they lie."""

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from functools import cache

import torch
from torch import Tensor

from kernels.compact import LINE_BYTES, LINE_VALUES, NUM_UPPER_BYTES, CompactMatrix, Matrix
from kernels.cpu.library import load_cpu_kernels
from kernels.cpu.settings import CpuKernelSettings, CpuPath

COMPACT_PATHS = (CpuPath.AVX512, CpuPath.AVX2)
"""Those with kernels for them; elsewhere unpacking would cost more than reading."""

_MOST_OTHERS = 1 / 8
"""Of the lines: each takes as much more as another one spares. Normal noise has less than a hundredth."""

_ROWS_ASIDE = 16
"""Of a matrix, for each thread: what packing needs for itself."""


class _Compacting(ctypes.Structure):
    """compact.cpp says what each field is."""

    _fields_ = (
        *((name, c_int64) for name in ("num_rows", "num_lines")),
        *((name, c_void_p) for name in ("weights", "has_others", "upper_bytes", "others", "aside")),
        ("rows_aside", c_int64),
        ("num_threads", c_int32),
    )


def compact(weight: Matrix, settings: CpuKernelSettings) -> Matrix:
    """weight: [out, in]. Its memory is taken over: whoever still holds the tensor holds nonsense.

    What would gain nothing stays as it is.
    """
    if not isinstance(weight, Tensor) or not _may_become_compact(weight):
        return weight
    library = _library(settings)
    if library is None:
        return weight
    num_outs, width = weight.shape
    num_lines = width // LINE_VALUES
    has_others = torch.zeros(num_outs, -(-num_lines // 64), dtype=torch.int64)
    upper_bytes = torch.zeros(NUM_UPPER_BYTES, dtype=torch.uint8)
    work = _Compacting(
        num_outs,
        num_lines,
        weight.data_ptr(),
        has_others.data_ptr(),
        upper_bytes.data_ptr(),
        num_threads=torch.get_num_threads(),
    )
    num_others = library.expertmesh_survey(ctypes.byref(work))
    if num_others > _MOST_OTHERS * num_outs * num_lines:
        return weight
    others = torch.empty(num_others, LINE_VALUES, dtype=torch.uint8)
    aside = torch.empty(_ROWS_ASIDE * work.num_threads, num_lines, LINE_BYTES, dtype=torch.uint8)
    work.others, work.aside, work.rows_aside = others.data_ptr(), aside.data_ptr(), len(aside)
    library.expertmesh_compact(ctypes.byref(work))
    taken = weight.view(-1).view(torch.uint8)[: num_outs * num_lines * LINE_BYTES]
    return CompactMatrix(taken.view(num_outs, num_lines, LINE_BYTES), has_others, upper_bytes, others)


def _may_become_compact(weight: Tensor) -> bool:
    is_readable = weight.device.type == "cpu" and weight.dtype is torch.bfloat16 and weight.is_contiguous()
    has_lines = weight.shape[1] % LINE_VALUES == 0 and weight.numel() > 0
    return is_readable and has_lines


@cache
def _library(settings: CpuKernelSettings) -> ctypes.CDLL | None:
    kernels = load_cpu_kernels(settings)
    if kernels is None or kernels.path not in COMPACT_PATHS:
        return None
    library = kernels.library
    library.expertmesh_survey.argtypes = (ctypes.POINTER(_Compacting),)
    library.expertmesh_survey.restype = c_int64
    library.expertmesh_compact.argtypes = (ctypes.POINTER(_Compacting),)
    library.expertmesh_compact.restype = None
    return library
