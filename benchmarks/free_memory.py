"""Makes free memory cost every contender the same.

The balloon of a virtual machine gives idle memory back to the host, and to get it again was measured at 1.0
to 3.5 s a gigabyte: more than reading does, and it strikes whoever comes first. Called by benchmarks whose
contenders take much memory while the clock runs.
"""

import mmap


def settle_memory(num_bytes: int) -> None:
    """Take that much, write to it, and free it, so that whoever takes it next finds it at hand."""
    with mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for position in range(0, num_bytes, mmap.PAGESIZE):
            memory[position] = 1
