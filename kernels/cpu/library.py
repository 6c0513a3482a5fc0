"""The built library behind Python functions: tensors in, tensors out.

`kernels.group`, `kernels.moe_gate_up`, `kernels.moe_down` and `kernels.combine` call this; each has beside it
the reference that this is tested against. A row's bits depend on that row alone, on every path: not on its
company, place or the number of threads. AVX-512 and AVX2 give the same bits; with int8 activations all do.
"""

from __future__ import annotations

import ctypes
import logging
import struct
from collections.abc import Sequence
from ctypes import c_char_p, c_int32, c_int64, c_void_p
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kernels.cpu.build import BuildError, build
from kernels.cpu.numbers import DTYPE_TO_NUMBER, PATH_TO_NUMBER
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from kernels.mxfp4 import BLOCK_VALUES, PackedMatrix

if TYPE_CHECKING:
    from kernels.group import Assignments, ExpertGroups  # which calls this

_ACTIVATIONS_TO_NUMBER = {CpuActivations.FLOAT32: 0, CpuActivations.INT8: 1}  # Activations
_DONE, _INDEX_OUT_OF_RANGE, _OUT_OF_MEMORY = 0, 1, 2  # Status


class CpuKernelsUnavailableError(Exception):
    """The path that was asked for by name cannot run here; the message says why."""


class _GroupedMatmul(ctypes.Structure):
    """grouped_matmul.h says what each field is."""

    _fields_ = (
        *(
            (name, c_int64)
            for name in ("num_rows", "num_assignments", "num_experts", "num_outs", "num_blocks")
        ),
        *((name, c_void_p) for name in ("x", "rows", "order", "offsets")),
        *((name, c_void_p) for name in ("blocks", "scales", "bias", "result")),
        *((name, c_int32) for name in ("type", "bias_type", "instructions")),
        *((name, c_int32) for name in ("activations", "num_threads")),
    )


@dataclass(frozen=True, slots=True)
class CpuKernels:
    """What experts need on one instruction set: grouping, both halves, and the sum of their rows."""

    path: CpuPath
    library: ctypes.CDLL
    activations: CpuActivations = CpuActivations.FLOAT32

    def gate_up(
        self,
        x: Tensor,
        assignments: Assignments,
        groups: ExpertGroups,
        weight: PackedMatrix,
        bias: Tensor,
        limit: float,
    ) -> Tensor:
        """Shapes as in kernels.moe_gate_up."""
        result = x.new_empty(len(groups.order), bias.shape[1] // 2)  # [assignments, intermediate]
        call = _Call(self, x, assignments.rows, groups, weight, bias, result)
        _check(self.library.expertmesh_gate_up(call.pointer, ctypes.c_float(limit)))
        return result

    def down(
        self, y: Tensor, assignments: Assignments, groups: ExpertGroups, weight: PackedMatrix, bias: Tensor
    ) -> Tensor:
        """Shapes as in kernels.moe_down."""
        assert len(assignments.weights) == len(groups.order)
        result = y.new_empty(len(groups.order), bias.shape[1])  # [assignments, hidden]
        call = _Call(self, y, None, groups, weight, bias, result)
        routing_weights = assignments.weights.float().contiguous()  # [assignments]
        _check(self.library.expertmesh_down(call.pointer, c_void_p(routing_weights.data_ptr())))
        return result

    def takes(self, dtype: torch.dtype) -> bool:
        return dtype in DTYPE_TO_NUMBER

    def group(self, experts: Tensor, num_experts: int) -> tuple[Tensor, Tensor] | None:
        """Order and offsets, as in kernels.group. None: an expert is not there. experts: contiguous int64"""
        assert experts.dtype is torch.int64
        order = torch.empty_like(experts)  # [assignments]
        offsets = experts.new_empty(num_experts + 1)
        addresses = [tensor.data_ptr() for tensor in (experts, order, offsets)]
        is_done = self.library.expertmesh_group(len(experts), num_experts, *addresses)
        return (order, offsets) if is_done else None

    def combine(self, rows: Tensor) -> Tensor:
        """Shapes as in kernels.combine; contiguous."""
        num_tokens, top_k, hidden = rows.shape
        total = rows.new_empty(num_tokens, hidden)
        self._combine([rows.data_ptr()], [num_tokens * top_k], None, top_k, total)
        return total

    def combine_pieces(
        self, addresses: Sequence[int], places: Sequence[bytes], top_k: int, total: Tensor
    ) -> None:
        """addresses: of pieces, contiguous rows; places: those of each, int64, as in RowPiece.

        total: [tokens, hidden] contiguous, in the rows' dtype
        """
        self._combine(addresses, [len(each) // 8 for each in places], b"".join(places), top_k, total)

    def _combine(
        self,
        addresses: Sequence[int],
        rows_of_pieces: Sequence[int],
        places: bytes | None,
        top_k: int,
        total: Tensor,
    ) -> None:
        assert top_k > 0
        num_tokens, hidden = total.shape
        self.library.expertmesh_combine(
            len(addresses),
            struct.pack(f"{len(addresses)}q", *addresses),
            struct.pack(f"{len(rows_of_pieces)}q", *rows_of_pieces),
            places,
            num_tokens,
            top_k,
            hidden,
            DTYPE_TO_NUMBER[total.dtype],
            PATH_TO_NUMBER[self.path],
            torch.get_num_threads(),
            total.data_ptr(),
        )


class _Call:
    """The arguments of one call. It holds every tensor whose address it gives away."""

    def __init__(
        self,
        kernels: CpuKernels,
        x: Tensor,
        rows: Tensor | None,
        groups: ExpertGroups,
        weight: PackedMatrix,
        bias: Tensor,
        result: Tensor,
    ) -> None:
        num_experts, num_outs, num_blocks, _ = weight.blocks.shape
        assert x.shape[1] == num_blocks * BLOCK_VALUES, "the rows are not as wide as the matrices"
        assert bias.shape == (num_experts, num_outs)
        assert groups.offsets.shape == (num_experts + 1,)
        bias = bias if bias.dtype in DTYPE_TO_NUMBER else bias.float()
        indices = (groups.order, groups.offsets) if rows is None else (rows, groups.order, groups.offsets)
        assert all(each.dtype is torch.int64 for each in indices)
        assert rows is None or len(rows) == len(groups.order)
        tensors = (x, rows, groups.order, groups.offsets, weight.blocks, weight.scales, bias, result)
        self._held = [None if tensor is None else tensor.contiguous() for tensor in tensors]
        self._work = _GroupedMatmul(
            len(x),
            len(groups.order),
            num_experts,
            num_outs,
            num_blocks,
            *(None if tensor is None else tensor.data_ptr() for tensor in self._held),
            DTYPE_TO_NUMBER[x.dtype],
            DTYPE_TO_NUMBER[bias.dtype],
            PATH_TO_NUMBER[kernels.path],
            _ACTIVATIONS_TO_NUMBER[kernels.activations],
            torch.get_num_threads(),
        )
        self.pointer = ctypes.byref(self._work)


def _check(status: int) -> None:
    if status == _INDEX_OUT_OF_RANGE:
        raise IndexError(
            "an assignment names a row that is not there, or the groups do not fit the assignments"
        )
    if status == _OUT_OF_MEMORY:
        raise MemoryError("no memory for the experts' rows")
    assert status == _DONE, status


def cpu_kernels_for(x: Tensor, weight: PackedMatrix, settings: CpuKernelSettings) -> CpuKernels | None:
    """What computes these tensors; None: the reference."""
    tensors = (x, weight.blocks, weight.scales)
    if x.dtype not in DTYPE_TO_NUMBER or any(tensor.device.type != "cpu" for tensor in tensors):
        return None
    if not (weight.blocks.is_contiguous() and weight.scales.is_contiguous()):
        return None
    return load_cpu_kernels(settings)


@cache
def load_cpu_kernels(settings: CpuKernelSettings) -> CpuKernels | None:
    """Built and loaded the first time. None: the reference, by choice or because nothing can be built."""
    kernels = _load(replace(settings, activations=CpuActivations.FLOAT32))  # which one library has all of
    return None if kernels is None else replace(kernels, activations=settings.activations)


@cache
def _load(settings: CpuKernelSettings) -> CpuKernels | None:
    if settings.path is CpuPath.REFERENCE:
        return None
    try:
        library = _open(build(settings.cache, settings.compiler))
    except BuildError as error:
        if settings.path is not CpuPath.FASTEST:
            raise CpuKernelsUnavailableError(f"the CPU path {settings.path} cannot run: {error}") from error
        logging.getLogger(__name__).warning(
            "expertmesh: no CPU kernels, so all runs in plain PyTorch, experts a hundred times slower: %s. "
            "A C++ compiler brings them (apt-get install g++).",
            error,
        )
        return None
    return CpuKernels(_choose(settings.path, library), library)


def _open(file: Path) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(file))
    except OSError as error:
        raise BuildError(f"{file} cannot be loaded, remove it: {error}") from error
    library.expertmesh_can_run.argtypes = (c_int32,)
    library.expertmesh_can_run.restype = ctypes.c_bool
    library.expertmesh_combine.argtypes = (
        *(c_int64, c_char_p, c_char_p, c_char_p),
        *(c_int64, c_int64, c_int64, c_int32, c_int32, c_int32, c_void_p),
    )
    library.expertmesh_combine.restype = None
    library.expertmesh_group.argtypes = (c_int64, c_int64, c_void_p, c_void_p, c_void_p)
    library.expertmesh_group.restype = ctypes.c_bool
    library.expertmesh_gate_up.argtypes = (ctypes.POINTER(_GroupedMatmul), ctypes.c_float)
    library.expertmesh_gate_up.restype = c_int32
    library.expertmesh_down.argtypes = (ctypes.POINTER(_GroupedMatmul), c_void_p)
    library.expertmesh_down.restype = c_int32
    return library


def _choose(path: CpuPath, library: ctypes.CDLL) -> CpuPath:
    able = [each for each, number in PATH_TO_NUMBER.items() if library.expertmesh_can_run(number)]
    if path is CpuPath.FASTEST:
        return able[0]
    if path not in able:
        raise CpuKernelsUnavailableError(
            f"the CPU path {path} cannot run on this processor, which has {', '.join(able)}"
        )
    return path
