"""Reads ranges of a safetensors file's tensors into memory that the caller owns, and writes such files.

No mmap: a file that shrinks under us gives a typed error instead of SIGBUS, and threads can read side by
side (docs/adr/0004-own-safetensors-reader.md). Not here: the header (`safetensors_header`), and which
tensors belong to a model (`layouts`). Called by `reads` and `writer`.
"""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from torch import Tensor

from model.checkpoint.safetensors_header import TensorEntry, TensorSpec, encode_header, parse_header
from protos.errors import CorruptFileError, TensorMismatchError, TensorMissingError


class SafetensorsReader:
    """An open file. Any number of threads may read from it at once."""

    def __init__(self, file: Path) -> None:
        try:
            self._descriptor = os.open(file, os.O_RDONLY)
        except OSError as error:
            raise CorruptFileError(f"{file}: cannot be read: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, entry: TensorEntry, first_element: int, destination: Tensor) -> None:
        """Fill `destination`: contiguous, on the CPU, of the entry's dtype."""
        assert destination.dtype == entry.spec.dtype
        position = entry.first_byte + first_element * destination.itemsize
        unread = _memory_of(destination)
        assert entry.first_byte <= position <= entry.end_byte - len(unread)
        while unread:
            num_bytes = self._read_some(entry, unread, position)
            unread = unread[num_bytes:]
            position += num_bytes

    def _read_some(self, entry: TensorEntry, unread: memoryview, position: int) -> int:
        try:
            num_bytes = os.preadv(self._descriptor, [unread], position)
        except OSError as error:
            raise CorruptFileError(f"{entry} cannot be read: {error.strerror}") from error
        if num_bytes == 0:
            raise CorruptFileError(
                f"{entry} is cut short: expected {len(unread)} more bytes at byte {position}, found none"
            )
        return num_bytes


class SafetensorsWriter:
    """Writes the announced tensors one by one, in any order; the file gets its name when all are there."""

    def __init__(self, file: Path, tensors: Sequence[TensorSpec]) -> None:
        # Wide dtypes first keeps every tensor aligned, which readers that map the file rely on.
        header = encode_header(sorted(tensors, key=lambda tensor: -tensor.dtype.itemsize))
        file_bytes = len(header) + sum(tensor.num_bytes for tensor in tensors)
        self._file = file
        self._missing = dict(parse_header(file, header[8:], file_bytes))
        self._partial = file.with_name(file.name + ".partial")
        self._descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._write(memoryview(header), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception_type: type[BaseException] | None, *_: object) -> None:
        os.close(self._descriptor)
        if exception_type is None and not self._missing:
            self._partial.rename(self._file)
            return
        self._partial.unlink()
        if exception_type is None:
            raise TensorMissingError(f"{self._file}: nobody wrote {', '.join(self._missing)}")

    def write(self, name: str, tensor: Tensor) -> None:
        entry = self._missing.pop(name)
        found = TensorSpec(name, tensor.dtype, tuple(tensor.shape))
        if found != entry.spec:
            raise TensorMismatchError(
                f"{entry} is to be {entry.spec.description}, found {found.description} in memory"
            )
        on_cpu = tensor.contiguous().cpu()  # named, so that it outlives its memory's use
        self._write(_memory_of(on_cpu), entry.first_byte)

    def _write(self, unwritten: memoryview, position: int) -> None:
        while unwritten:
            num_bytes = os.pwrite(self._descriptor, unwritten, position)
            unwritten = unwritten[num_bytes:]
            position += num_bytes


def _memory_of(tensor: Tensor) -> memoryview:
    """The tensor's bytes, without numpy, which need not be installed. The tensor must outlive the view."""
    assert tensor.is_contiguous()
    assert tensor.device.type == "cpu"
    if tensor.nbytes == 0:
        return memoryview(b"")
    return memoryview((ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr())).cast("B")
