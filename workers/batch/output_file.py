"""The file of results: locked, mended where a run was cut, and grown by one whole line at a time.

A line goes to the system in one write and is never changed, so a process that is killed leaves at most one
broken line, the last. Not here: what a result says (`line_result`).
"""

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from model.strict_json import parse_object
from protos.errors import ConfigError
from workers.batch.done_lines import DoneLines
from workers.batch.input_file import DIGEST_BYTES

_BEGINNING = b'{"line": '
_DIGEST = re.compile(f"[0-9a-f]{{{2 * DIGEST_BYTES}}}")
_LINE_ENDS = str.maketrans({each: f"\\u{ord(each):04x}" for each in "\x85\u2028\u2029"})
"""Some programs end a line at these too, and JSON may write them otherwise."""


class OutputFile:
    """Written by one process at a time. `done` is what it held when it was opened."""

    def __init__(self, path: Path, descriptor: int, most_lines: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.num_bytes_cut = 0  # of a broken last line
        self.done = DoneLines()
        self._recover(most_lines)

    @classmethod
    @contextmanager
    def opened(cls, path: Path, most_lines: int) -> Iterator["OutputFile"]:
        """Made when it is not there. `most_lines`: no result is of a later line than this."""
        descriptor = _open(path)
        try:
            _lock(descriptor, path)
            output = cls(path, descriptor, most_lines)
            try:
                yield output
            finally:
                output.sync()
        finally:
            os.close(descriptor)

    def write(self, number: int, result_id: str | None, digest: int, result: Mapping[str, object]) -> None:
        """One line, whole when this returns."""
        head = {"line": number, "id": result_id, "input": f"{digest:0{2 * DIGEST_BYTES}x}"}
        text = json.dumps(head | dict(result), ensure_ascii=False, allow_nan=False).translate(_LINE_ENDS)
        content = memoryview(f"{text}\n".encode())
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError as error:
            raise self._unwritable(error) from error

    def sync(self) -> None:
        """What is written outlives a power cut."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"{self.path} cannot be written: {error.strerror}. Mend that and run the same command again; it "
            f"goes on from the lines that are whole"
        )

    def _recover(self, most_lines: int) -> None:
        num_bytes = 0
        with open(self._descriptor, "rb", closefd=False) as file:
            for index, line in enumerate(file):
                fault = self._take(line, most_lines)
                if fault is None:
                    num_bytes += len(line)
                    continue
                is_last = not file.read(1)
                if not is_last or not _is_broken_result(line):
                    raise ConfigError(
                        f"line {index + 1} of {self.path} is not a result of a batch: {fault}. Name another "
                        f"output, or take that line out"
                    )
                self.num_bytes_cut = len(line)
        os.ftruncate(self._descriptor, num_bytes)

    def _take(self, line: bytes, most_lines: int) -> str | None:
        """Remember the result; -> what is wrong with it."""
        if not line.endswith(b"\n"):
            return "it has no end"
        try:
            values = parse_object(line)
        except ValueError as error:
            return str(error)
        number, digest = values.get("line"), values.get("input")
        if type(number) is not int or not 1 <= number <= most_lines:
            return f"its line is {number!r}, and the input has at most {most_lines} lines"
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or not int(digest, 16):
            return f"its input is {digest!r}, expected a digest"
        if ("error" in values) == ("choices" in values):
            return "it needs either choices or an error"
        if not self.done.add(number, int(digest, 16), failed="error" in values):
            return f"line {number} has a result already"
        return None


def _is_broken_result(line: bytes) -> bool:
    """Whether a run that was cut may have left it; somebody else's file is not cut."""
    if not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
        return False
    try:
        parse_object(line)
    except ValueError:
        return True
    return not line.endswith(b"\n")


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ConfigError(f"the output {path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ConfigError(f"the output {path} is not a regular file; a batch reads it to go on where it was")
    return descriptor


def _lock(descriptor: int, path: Path) -> None:
    """Held until the file is closed, however the process ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(
            f"another run is writing {path}; wait for it to end, or name another output"
        ) from error
