"""Puts a file out of the page cache, and tells whether that worked.

Called by benchmarks that read files, so that both sides find the cache in the same state.
"""

import os
from collections.abc import Callable
from pathlib import Path


def drop_cached(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # a page that is not on disk yet cannot be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def bytes_from_disk(work: Callable[[], object]) -> int:
    """What `work` fetched from storage, as the kernel counts it for this process."""
    before = _read_bytes()
    work()
    return _read_bytes() - before


def _read_bytes() -> int:
    counters = Path("/proc/self/io").read_text().splitlines()
    [line] = [line for line in counters if line.startswith("read_bytes:")]
    return int(line.split()[1])
