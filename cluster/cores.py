"""How many cores this process may keep busy: those it is bound to, or what its container allows.

OpenMP heeds the first and knows nothing of the second: of more threads than the limit some are put aside, and
the others wait for them. Called before torch is loaded, and where a worker's part of a node is reckoned.
"""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def num_bound_cores() -> int:
    """The whole machine's, where the system binds nothing (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_cores(cgroup: Path = _CGROUP) -> int:
    """At least one. A limit of two and a half cores keeps two threads busy."""
    limit = _limit(cgroup)
    return num_bound_cores() if limit is None else max(1, min(num_bound_cores(), int(limit)))


def _limit(cgroup: Path) -> float | None:
    """Cores; None: there is no limit, or none that can be read."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):  # versions 2 and 1
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        return int(quota) / int(period) if quota.isdigit() else None  # "max", or −1
    return None
