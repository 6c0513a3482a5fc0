"""Puts a file out of the page cache, and tells whether that worked.

Called by benchmarks that read files, so that both sides find the cache in the same state.
"""

import os
from collections.abc import Callable
from pathlib import Path

from benchmarks.kernel_meter import bytes_read_from_storage


def drop_cached(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # a page that is not on disk yet cannot be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def bytes_from_disk(work: Callable[[], object]) -> int:
    """What `work` fetched from storage, as the kernel counts it for this process."""
    before = bytes_read_from_storage()
    work()
    return bytes_read_from_storage() - before
