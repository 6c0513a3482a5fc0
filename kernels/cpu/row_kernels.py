"""What happens to rows between the matrices, in the built library: norm, rotate and store, route.

`kernels.rmsnorm`, `kernels.rotate_store` and `kernels.route` call this; each has beside it the reference that
this is tested against. In torch each takes several calls of some microseconds, whatever the number of rows.
"""

import ctypes
from ctypes import c_bool, c_float, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from kernels.cpu.library import load_cpu_kernels
from kernels.cpu.numbers import DTYPE_TO_NUMBER
from kernels.cpu.settings import CpuKernelSettings
from kernels.paging import PagedKeysValues
from kernels.rope import RotaryTable


class _Norm(ctypes.Structure):
    """row_operations.cpp says what each field is."""

    _fields_ = (
        *((name, c_int64) for name in ("num_rows", "width")),
        *((name, c_void_p) for name in ("x", "delta", "scale", "total", "result")),
        ("eps", c_float),
        *((name, c_int32) for name in ("type", "scale_type", "num_threads")),
    )


class _Rotation(ctypes.Structure):
    """row_operations.cpp says what each field is."""

    _fields_ = (
        *((name, c_int64) for name in ("num_tokens", "num_heads", "num_kv_heads", "head_dim")),
        *((name, c_int64) for name in ("num_positions", "num_slots")),
        *(
            (name, c_void_p)
            for name in ("qkv", "cos", "sin", "positions", "slots", "keys", "values", "query")
        ),
        *((name, c_int32) for name in ("type", "num_threads")),
    )


class _Routes(ctypes.Structure):
    """row_operations.cpp says what each field is."""

    _fields_ = (
        *((name, c_int64) for name in ("num_tokens", "num_experts", "top_k")),
        *((name, c_void_p) for name in ("logits", "expert_ids", "weights")),
        ("type", c_int32),
    )


@dataclass(frozen=True, slots=True)
class RowKernels:
    """All of them take contiguous tensors on a CPU."""

    library: ctypes.CDLL

    def rmsnorm(self, x: Tensor, scale: Tensor, eps: float) -> Tensor:
        result = torch.empty_like(x)
        self._norm(x, None, scale, None, result, eps)
        return result

    def add_rmsnorm(self, x: Tensor, delta: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        total, result = torch.empty_like(x), torch.empty_like(x)
        self._norm(x, delta, scale, total, result, eps)
        return total, result

    def _norm(
        self, x: Tensor, delta: Tensor | None, scale: Tensor, total: Tensor | None, result: Tensor, eps: float
    ) -> None:
        num_rows, width = x.shape
        assert scale.shape == (width,)
        assert delta is None or delta.shape == x.shape
        work = _Norm(
            num_rows,
            width,
            x.data_ptr(),
            None if delta is None else delta.data_ptr(),
            scale.data_ptr(),
            None if total is None else total.data_ptr(),
            result.data_ptr(),
            eps,
            DTYPE_TO_NUMBER[x.dtype],
            DTYPE_TO_NUMBER[scale.dtype],
            torch.get_num_threads(),
        )
        self.library.expertmesh_norm(ctypes.byref(work))

    def rotate_and_store(
        self, qkv: Tensor, table: RotaryTable, positions: Tensor, cache: PagedKeysValues, slots: Tensor
    ) -> Tensor:
        """Shapes as in kernels.rotate_store."""
        num_pages, page_size, num_kv_heads, head_dim = cache.keys.shape
        num_heads = qkv.shape[1] // head_dim - 2 * num_kv_heads
        query = qkv.new_empty(len(qkv), num_heads, head_dim)
        work = _Rotation(
            len(qkv),
            num_heads,
            num_kv_heads,
            head_dim,
            len(table.cos),
            num_pages * page_size,
            qkv.data_ptr(),
            table.cos.data_ptr(),
            table.sin.data_ptr(),
            positions.data_ptr(),
            slots.data_ptr(),
            cache.keys.data_ptr(),
            cache.values.data_ptr(),
            query.data_ptr(),
            DTYPE_TO_NUMBER[qkv.dtype],
            torch.get_num_threads(),
        )
        if not self.library.expertmesh_rotate_and_store(ctypes.byref(work)):
            raise IndexError("a token has a position that the model lacks, or a slot that the cache lacks")
        return query

    def route(self, logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
        """Shapes as in kernels.route: expert ids and weights."""
        num_tokens, num_experts = logits.shape
        assert 0 < top_k <= num_experts
        expert_ids = torch.empty((num_tokens, top_k), dtype=torch.int64)
        weights = torch.empty((num_tokens, top_k), dtype=torch.float32)
        work = _Routes(
            num_tokens,
            num_experts,
            top_k,
            logits.data_ptr(),
            expert_ids.data_ptr(),
            weights.data_ptr(),
            DTYPE_TO_NUMBER[logits.dtype],
        )
        self.library.expertmesh_route(ctypes.byref(work))
        return expert_ids, weights


def row_kernels_for(settings: CpuKernelSettings, *tensors: Tensor) -> RowKernels | None:
    """What computes these tensors; None: the reference."""
    for tensor in tensors:
        if tensor.device.type != "cpu" or tensor.dtype not in DTYPE_TO_NUMBER or not tensor.is_contiguous():
            return None
    return _load(settings)


@cache
def _load(settings: CpuKernelSettings) -> RowKernels | None:
    kernels = load_cpu_kernels(settings)
    if kernels is None:
        return None
    library = kernels.library
    library.expertmesh_norm.argtypes = (ctypes.POINTER(_Norm),)
    library.expertmesh_norm.restype = None
    library.expertmesh_rotate_and_store.argtypes = (ctypes.POINTER(_Rotation),)
    library.expertmesh_rotate_and_store.restype = c_bool
    library.expertmesh_route.argtypes = (ctypes.POINTER(_Routes),)
    library.expertmesh_route.restype = None
    return RowKernels(library)
