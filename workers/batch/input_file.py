"""The file of requests, read line by line as often as needed and never held whole.

Not here: what a line means (`line_request`). The runner reads it, and before that the command, to count.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from protos.errors import ConfigError

MAX_LINE_BYTES = 16 << 20
"""The longest prompt and the largest grammar that any model takes are far below."""

DIGEST_BYTES = 8
_PIECE_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class InputLine:
    """One line as it stands in the file, without its end."""

    number: int  # from 1; empty lines count
    digest: int  # of the whole line; what a result remembers of it
    content: bytes | None  # None when it is longer than MAX_LINE_BYTES


@dataclass(frozen=True, slots=True)
class InputFile:
    """Iterating reads the lines that are not empty, anew each time."""

    path: Path

    @classmethod
    def of(cls, path: Path) -> "InputFile":
        """A file that can be read more than once, or a ConfigError."""
        try:
            mode = path.stat().st_mode
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(f"the input {path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(mode):
            raise ConfigError(
                f"the input {path} is not a regular file; a batch reads it twice, so write it to a file first"
            )
        return cls(path)

    @property
    def most_lines(self) -> int:
        """It has no more than this, without reading it."""
        return self.path.stat().st_size

    def __iter__(self) -> Iterator[InputLine]:
        with self.path.open("rb") as file:
            number = 0
            while line := _read_line(file, number + 1):
                number += 1
                if line.content is None or line.content.strip():
                    yield line


def _read_line(file: BinaryIO, number: int) -> InputLine | None:
    """None at the end of the file. Of a line that is too long only the digest is kept."""
    raw = file.readline(MAX_LINE_BYTES + 2)  # a line end is of one byte or of two
    if not raw:
        return None
    if number == 1:
        raw = raw.removeprefix(_BYTE_ORDER_MARK)
    content = raw.removesuffix(b"\n").removesuffix(b"\r")
    if len(content) <= MAX_LINE_BYTES:
        return InputLine(number, _number_of(blake2b(content, digest_size=DIGEST_BYTES).digest()), content)
    digest = blake2b(raw, digest_size=DIGEST_BYTES)
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(_PIECE_BYTES)
        digest.update(raw)
    return InputLine(number, _number_of(digest.digest()), None)


def _number_of(digest: bytes) -> int:
    """Never 0, which stands for a line without a result."""
    return int.from_bytes(digest) or 1
