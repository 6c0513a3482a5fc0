"""How much memory this process could still take, and how much of that the cache may have.

A GPU is asked for its free memory; on a CPU the system is, and the limit of the container. Not here: how many
pages that gives (`page_budget`).
"""

from pathlib import Path

import torch

from protos.errors import ConfigError
from workers.cache.page_budget import CPU_SHARE, GPU_SHARE

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def share_of(device: torch.device) -> float:
    return GPU_SHARE if device.type == "cuda" else CPU_SHARE


def free_bytes(device: torch.device) -> int:
    """What this process could still take."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free_host_bytes()


def free_host_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """MemAvailable, or what the container's limit leaves, whichever is less."""
    found = [_available(meminfo), _left_in_cgroup(cgroup)]
    known = [value for value in found if value is not None]
    if not known:
        raise ConfigError(
            f"neither {meminfo} nor {cgroup} says how much memory is free; say how large the cache shall be"
        )
    return min(known)


def _available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kilobytes is None else int(kilobytes) * 1024


def _left_in_cgroup(cgroup: Path) -> int | None:
    """Version 2: memory.max and memory.current, of which the page cache could be dropped."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if not limit.isdigit():
        return None
    return max(0, int(limit) - used + int(statistics.get("inactive_file", 0)))
