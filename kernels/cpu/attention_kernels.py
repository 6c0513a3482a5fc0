"""Attention over paged keys and values in the built library, any chunks of any sequences in one call.

`kernels.attention` calls this; its reference is what this is tested against. A query's bits depend on that
query and on what it sees, on every path: not on its chunk, its company, the pages or the number of threads.
"""

import ctypes
from ctypes import c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from kernels.cpu.library import load_cpu_kernels
from kernels.cpu.numbers import DTYPE_TO_NUMBER, PATH_TO_NUMBER
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from kernels.paging import PagedKeysValues, PageTable

MOST_HEADS_A_GROUP = 64  # ATTENTION_ROWS
_DONE, _PAGE_NOT_THERE, _PAGE_RELEASED, _OUT_OF_MEMORY = 0, 1, 2, 3  # AttentionStatus


class _Attention(ctypes.Structure):
    """attention.h says what each field is."""

    _fields_ = (
        *((name, c_int64) for name in ("num_sequences", "num_heads", "num_kv_heads", "head_dim")),
        *((name, c_int64) for name in ("num_pages", "page_size", "table_width", "window")),
        *((name, c_void_p) for name in ("query", "keys", "values", "sinks")),
        *((name, c_void_p) for name in ("starts", "first_positions", "pages", "first_page", "result")),
        *((name, c_int32) for name in ("type", "cache_type", "sinks_type", "instructions", "num_threads")),
    )


@dataclass(frozen=True, slots=True)
class AttentionKernels:
    """On one instruction set."""

    path: CpuPath
    library: ctypes.CDLL

    def attention(
        self,
        query: Tensor,
        cache: PagedKeysValues,
        starts: Tensor,
        first_positions: Tensor,
        table: PageTable,
        sinks: Tensor,
        window: int | None,
    ) -> Tensor:
        """Shapes as in kernels.attention."""
        num_pages, page_size, num_kv_heads, head_dim = cache.keys.shape
        query, pages = query.contiguous(), table.pages.contiguous()
        result = torch.empty_like(query)
        work = _Attention(
            len(first_positions),
            query.shape[1],
            num_kv_heads,
            head_dim,
            num_pages,
            page_size,
            pages.shape[1],
            window or 0,
            query.data_ptr(),
            cache.keys.data_ptr(),
            cache.values.data_ptr(),
            sinks.data_ptr(),
            starts.data_ptr(),
            first_positions.data_ptr(),
            pages.data_ptr(),
            table.first_page.data_ptr(),
            result.data_ptr(),
            DTYPE_TO_NUMBER[query.dtype],
            DTYPE_TO_NUMBER[cache.keys.dtype],
            DTYPE_TO_NUMBER[sinks.dtype],
            PATH_TO_NUMBER[self.path],
            torch.get_num_threads(),
        )
        _check(self.library.expertmesh_attention(ctypes.byref(work)))
        return result


def _check(status: int) -> None:
    if status == _OUT_OF_MEMORY:
        raise MemoryError("no memory for attention's sums")
    if status == _PAGE_NOT_THERE:
        raise IndexError("a page table names a page that is not there, or is too short")
    assert status != _PAGE_RELEASED, "a page was released that is still seen"
    assert status == _DONE, status


def attention_kernels_for(
    query: Tensor, cache: PagedKeysValues, sinks: Tensor, settings: CpuKernelSettings
) -> AttentionKernels | None:
    """What computes these tensors; None: the reference."""
    tensors = (query, cache.keys, cache.values, sinks)
    if any(tensor.device.type != "cpu" or tensor.dtype not in DTYPE_TO_NUMBER for tensor in tensors):
        return None
    if cache.keys.dtype != cache.values.dtype:
        return None
    if not all(tensor.is_contiguous() for tensor in (cache.keys, cache.values, sinks)):
        return None
    if query.shape[1] // cache.keys.shape[2] > MOST_HEADS_A_GROUP:
        return None
    return _load(settings)


@cache
def _load(settings: CpuKernelSettings) -> AttentionKernels | None:
    kernels = load_cpu_kernels(settings)
    if kernels is None:
        return None
    kernels.library.expertmesh_attention.argtypes = (ctypes.POINTER(_Attention),)
    kernels.library.expertmesh_attention.restype = c_int32
    return AttentionKernels(kernels.path, kernels.library)
