"""How long work on many bytes reports how far it is.

Not here: the work. `model.checkpoint` reports while it loads; the caller chooses who listens.
"""

import sys
from typing import Protocol, Self

from tqdm import tqdm


class Progress(Protocol):
    """Is told of bytes that are done, from one thread."""

    def advance(self, num_bytes: int) -> None: ...


class NoProgress:
    """Nobody listens."""

    def advance(self, num_bytes: int) -> None:
        pass


class ProgressBar:
    """A line on stderr with bytes and rate. Off a terminal it is silent, unless `force` is set."""

    def __init__(self, title: str, total_bytes: int, *, force: bool = False) -> None:
        self._bar = tqdm(
            desc=title,
            total=total_bytes,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=sys.stderr,
            disable=False if force else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, num_bytes: int) -> None:
        self._bar.update(num_bytes)
