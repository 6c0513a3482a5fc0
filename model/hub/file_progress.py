"""Tells a person how far a job over many files has come: a bar on a terminal, lines in a log, or nothing.

Not here: the job. model.hub.manifest and model.hub report to a `FileProgress`; the commands choose which.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Never, Protocol, TextIO

from tqdm import tqdm


class FileProgress(Protocol):
    """Files come one after the other, so there is one current file."""

    def begin(self, num_files: int, num_bytes: int) -> None:
        """The whole job is as large as this."""

    def begin_file(self, path: str, num_bytes: int, /) -> None: ...

    def reach(self, num_bytes: int) -> None:
        """So many bytes of the current file are done; fewer than before when it starts again."""

    def end_file(self, outcome: str, /) -> None: ...

    def note(self, text: str) -> None:
        """Something that a person should read now."""


class SilentProgress:
    """For callers that do not care."""

    def begin(self, num_files: int, num_bytes: int) -> None: ...
    def begin_file(self, path: str, num_bytes: int, /) -> None: ...
    def reach(self, num_bytes: int) -> None: ...
    def end_file(self, outcome: str, /) -> None: ...
    def note(self, text: str) -> None: ...


class LineProgress:
    """One line a file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._num_files = 0
        self._num_ended = 0
        self._current = ""

    def begin(self, num_files: int, num_bytes: int) -> None:
        self._num_files = num_files
        self.note(f"{num_files} files, {format_bytes(num_bytes)}")

    def begin_file(self, path: str, num_bytes: int, /) -> None:
        self._current = f"{path} ({format_bytes(num_bytes)})"

    def reach(self, num_bytes: int) -> None: ...

    def end_file(self, outcome: str, /) -> None:
        self._num_ended += 1
        self.note(f"[{self._num_ended}/{self._num_files}] {outcome}: {self._current}")

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class BarProgress:
    """One bar over the bytes of all files."""

    def __init__(self, bar: "tqdm[Never]") -> None:
        self._bar = bar
        self._num_files = 0
        self._num_ended = 0
        self._num_bytes_ended = 0
        self._num_bytes_current = 0

    def begin(self, num_files: int, num_bytes: int) -> None:
        self._num_files = num_files
        self._bar.reset(total=num_bytes)

    def begin_file(self, path: str, num_bytes: int, /) -> None:
        self._num_bytes_current = num_bytes
        self._bar.set_description(f"[{self._num_ended + 1}/{self._num_files}] {path}")

    def reach(self, num_bytes: int) -> None:
        self._bar.update(self._num_bytes_ended + num_bytes - self._bar.n)

    def end_file(self, _outcome: str, /) -> None:
        self.reach(self._num_bytes_current)
        self._num_ended += 1
        self._num_bytes_ended += self._num_bytes_current

    def note(self, text: str) -> None:
        self._bar.write(text, file=self._bar.fp)


@contextmanager
def progress_on(stream: TextIO) -> Iterator[FileProgress]:
    """A bar when a person watches the stream, lines when a file or a log collector does."""
    if not stream.isatty():
        yield LineProgress(stream)
        return
    with tqdm(file=stream, unit="B", unit_scale=True, dynamic_ncols=True) as bar:
        yield BarProgress(bar)


def format_bytes(num_bytes: int) -> str:
    """`13.8GB`: powers of 1000, as disks and the hub count."""
    return tqdm.format_sizeof(num_bytes, "B")
