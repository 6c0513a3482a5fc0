"""This machine reading memory, in turns with a kernel: the limit that a kernel's bytes a second are held to.

Not here: what the kernels are given (`kernels`, `dense_cases`).
"""

from collections.abc import Callable, Mapping

import torch

from benchmarks.huge_pages import on_huge_pages
from benchmarks.report import Row, compared

READ_BYTES = 1 << 28


def reading() -> Callable[[], object]:
    """One pass over so many bytes, on every core."""
    return on_huge_pages(torch.ones(READ_BYTES // 8, dtype=torch.int64)).sum


def against_reading(
    name: str, num_bytes: int, seconds: Mapping[str, float], goal: float | None = None
) -> Row:
    """`seconds` of "ours", which must move `num_bytes`, and of "read"."""
    return compared(
        name,
        "GB/s",
        num_bytes / seconds["ours"] / 1e9,
        peer_name="reading memory",
        peer=READ_BYTES / seconds["read"] / 1e9,
        higher_is_better=True,
        goal=goal,
    )
