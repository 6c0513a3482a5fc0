"""What this process reads and how much memory it takes, as the kernel counts it, not as we do.

Called by benchmarks and tests that claim a figure of either. Linux only.
"""

from pathlib import Path


def bytes_read() -> int:
    """By read system calls so far, from the page cache or not. Asking costs some 100 bytes itself."""
    return _field(Path("/proc/self/io"), "rchar:")


def bytes_read_from_storage() -> int:
    """What the page cache did not have."""
    return _field(Path("/proc/self/io"), "read_bytes:")


def resident_memory() -> int:
    return _field(Path("/proc/self/status"), "VmRSS:") * 1024


def reset_peak_memory() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Bytes resident at the highest since the reset."""
    return _field(Path("/proc/self/status"), "VmHWM:") * 1024


def _field(file: Path, name: str) -> int:
    [line] = [line for line in file.read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1])
