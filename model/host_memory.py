"""New tensors for weights and cache: on the CPU on huge pages, where the system gives them.

Taking memory by 4 KiB costs more than copying into it (docs/adr/0004-own-safetensors-reader.md has figures).
Not here: what goes into the tensors. `model.checkpoint`, `model.dummy` and `model.kv_cache` allocate here.
"""

import mmap
from contextlib import suppress
from math import prod

import torch
from torch import Tensor

HUGE_PAGE_BYTES = 2 << 20


def empty_tensor(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str = "cpu") -> Tensor:
    num_bytes = prod(shape) * dtype.itemsize
    if not _is_mapped(num_bytes, device):
        return torch.empty(shape, dtype=dtype, device=device)
    return _mapped(shape, dtype, num_bytes)


def zero_tensor(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str = "cpu") -> Tensor:
    """What the system maps anew is zero, and takes no memory, nor time, before it is written."""
    num_bytes = prod(shape) * dtype.itemsize
    if not _is_mapped(num_bytes, device):
        return torch.zeros(shape, dtype=dtype, device=device)
    return _mapped(shape, dtype, num_bytes)


def _is_mapped(num_bytes: int, device: torch.device | str) -> bool:
    on_cpu = torch.device(device).type == "cpu"
    return on_cpu and num_bytes >= HUGE_PAGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE")


def _mapped(shape: tuple[int, ...], dtype: torch.dtype, num_bytes: int) -> Tensor:
    memory = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel built without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(shape)  # keeps the mapping alive
