"""Empty tensors for weights: on the CPU on huge pages, where the system gives them.

Taking memory by 4 KiB costs more than copying into it (docs/adr/0004-own-safetensors-reader.md has figures).
Not here: what goes into the tensors. `model.checkpoint` and `model.dummy` allocate here.
"""

import mmap
from contextlib import suppress
from math import prod

import torch
from torch import Tensor

HUGE_PAGE_BYTES = 2 << 20


def empty_tensor(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str = "cpu") -> Tensor:
    num_bytes = prod(shape) * dtype.itemsize
    on_cpu = torch.device(device).type == "cpu"
    if not on_cpu or num_bytes < HUGE_PAGE_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(shape, dtype=dtype, device=device)
    memory = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel built without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(shape)  # keeps the mapping alive
