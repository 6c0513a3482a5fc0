"""Tells a person how far a batch has come: a bar on a terminal, a line now and then in a log, or nothing.

Not here: counting (`summary`). The runner reports whenever something has changed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Never, Protocol, TextIO

from tqdm import tqdm

from workers.batch.summary import BatchSummary

_EVERY_S = 10.0
_BAR_EVERY_S = 0.2


class BatchProgress(Protocol):
    """Is called often, so it must be cheap."""

    def show(self, summary: BatchSummary) -> None: ...


class SilentProgress:
    """For callers that do not care."""

    def show(self, summary: BatchSummary) -> None: ...


class LineProgress:
    """A line every so many seconds."""

    def __init__(
        self, stream: TextIO, every_s: float = _EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._every_s = every_s
        self._clock = clock
        self._next = clock() + every_s

    def show(self, summary: BatchSummary) -> None:
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self._every_s
        print(
            f"{summary.all_done} of {summary.num_lines} lines, {_rest(summary)}",
            file=self._stream,
            flush=True,
        )


class BarProgress:
    """One bar over the lines."""

    def __init__(self, bar: "tqdm[Never]", clock: Callable[[], float] = time.monotonic) -> None:
        self._bar = bar
        self._clock = clock
        self._next = clock()

    def show(self, summary: BatchSummary) -> None:
        now = self._clock()
        if now < self._next and summary.all_done < summary.num_lines:
            return
        self._next = now + _BAR_EVERY_S
        self._bar.set_postfix_str(_rest(summary), refresh=False)
        self._bar.update(summary.all_done - self._bar.n)
        self._bar.refresh()


@contextmanager
def progress_on(stream: TextIO, summary: BatchSummary) -> Iterator[BatchProgress]:
    """A bar when a person watches the stream, lines when a file or a log collector does."""
    if not stream.isatty():
        yield LineProgress(stream)
        return
    with tqdm(
        desc="generate",
        total=summary.num_lines,
        initial=summary.all_done,
        unit="line",
        file=stream,
        dynamic_ncols=True,
    ) as bar:
        yield BarProgress(bar)


def _rest(summary: BatchSummary) -> str:
    return f"{summary.all_failed} failed, {summary.tokens_per_s:.1f} tokens/s"
