"""How much memory of the host a process could still take: what the machine has, and the container allows.

Needs no torch. Not here: GPUs, and how much of it the cache may have (`sizing`).
"""

import ctypes
from contextlib import suppress
from pathlib import Path

from protos.errors import ConfigError

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def free_host_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """MemAvailable, or what the container's limit leaves, whichever is less."""
    found = [_available(meminfo), _left_in_cgroup(cgroup)]
    known = [value for value in found if value is not None]
    if not known:
        raise ConfigError(
            f"neither {meminfo} nor {cgroup} says how much memory is free; say how large the cache shall be"
        )
    return min(known)


def give_back_freed_memory() -> None:
    """To the system, where this process's C library keeps what was freed."""
    with suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


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
