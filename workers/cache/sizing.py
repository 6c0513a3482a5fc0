"""How much memory this process could still take, and how much of that the cache may have.

A GPU is asked for its free memory; on a CPU the system is (`free_memory`). Not here: how many pages that
gives (`page_budget`).
"""

import torch

from workers.cache.free_memory import free_host_bytes, give_back_freed_memory
from workers.cache.page_budget import CPU_SHARE, GPU_SHARE


def share_of(device: torch.device) -> float:
    return GPU_SHARE if device.type == "cuda" else CPU_SHARE


def free_bytes(device: torch.device) -> int:
    """What this process could still take."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    give_back_freed_memory()  # so that it counts
    return free_host_bytes()
