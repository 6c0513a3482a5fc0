"""The header of a safetensors file: which tensors it holds, and where their bytes lie.

The format: 8 bytes of little-endian length, that many bytes of JSON, then the tensors back to back. All of it
is checked here, so that whoever reads by a `TensorEntry` stays inside the file. Not here: the tensors' bytes
(`safetensors_file`). Why we parse it ourselves: docs/adr/0004-own-safetensors-reader.md.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from reprlib import repr as short

import torch

from model.strict_json import parse_object
from protos.errors import CorruptFileError

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

_MAX_AXES = 64
_MAX_SIZE = 1 << 63
"""Beyond what any tensor has; a garbage header must not cost time or overflow a message."""

_LENGTH_BYTES = 8
_METADATA_KEY = "__metadata__"
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}
_DTYPES: Mapping[str, torch.dtype] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "U16": torch.uint16,
    "I16": torch.int16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "U32": torch.uint32,
    "I32": torch.int32,
    "F32": torch.float32,
    "U64": torch.uint64,
    "I64": torch.int64,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.float8_e8m0fnu,
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a file says of a tensor, but for the place."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def dtype_name(self) -> str:
        """In the format's own words."""
        return next(name for name, dtype in _DTYPES.items() if dtype == self.dtype)

    @property
    def description(self) -> str:
        """For messages: `BF16 [5, 96]`."""
        return f"{self.dtype_name} {list(self.shape)}"


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A tensor and the place of its bytes."""

    file: Path
    spec: TensorSpec
    first_byte: int  # from the beginning of the file

    @property
    def end_byte(self) -> int:
        return self.first_byte + self.spec.num_bytes

    def __str__(self) -> str:
        """For messages."""
        return f"{self.file}: tensor {self.spec.name!r}"


def read_header(file: Path) -> Mapping[str, TensorEntry]:
    """The tensors of `file` by name; CorruptFileError unless header and file size agree to the byte."""
    try:
        with file.open("rb") as stream:
            file_bytes = os.fstat(stream.fileno()).st_size
            num_bytes = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
            _check_length(file, num_bytes, file_bytes)
            document = stream.read(num_bytes)
    except OSError as error:
        raise CorruptFileError(f"{file}: cannot be read: {error.strerror}") from error
    return parse_header(file, document, file_bytes)


def parse_header(file: Path, document: bytes, file_bytes: int) -> Mapping[str, TensorEntry]:
    """`document` is the JSON, `file_bytes` the size of the whole file, which is `file` in messages."""
    try:
        parsed = parse_object(document)
    except ValueError as error:
        raise CorruptFileError(f"{file}: the header is not a safetensors header: {error}") from error
    parsed.pop(_METADATA_KEY, None)
    data_start = _LENGTH_BYTES + len(document)
    entries = [_parse_entry(file, name, fields, data_start) for name, fields in parsed.items()]
    entries.sort(key=lambda entry: (entry.first_byte, entry.spec.num_bytes))
    _check_contiguous(file, entries, data_start, file_bytes)
    return {entry.spec.name: entry for entry in entries}


def encode_header(tensors: Iterable[TensorSpec]) -> bytes:
    """The length and the JSON, padded so that the data begin on a multiple of 8."""
    header: dict[str, object] = {_METADATA_KEY: {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + tensor.num_bytes
        header[tensor.name] = {
            "dtype": tensor.dtype_name,
            "shape": tensor.shape,
            "data_offsets": [start, end],
        }
    document = json.dumps(header, separators=(",", ":")).encode()
    document += b" " * (-len(document) % _LENGTH_BYTES)
    return len(document).to_bytes(_LENGTH_BYTES, "little") + document


def _check_length(file: Path, num_bytes: int, file_bytes: int) -> None:
    if file_bytes < _LENGTH_BYTES:
        raise CorruptFileError(f"{file}: expected at least {_LENGTH_BYTES} bytes, found {file_bytes}")
    if num_bytes > MAX_HEADER_BYTES:
        raise CorruptFileError(
            f"{file}: is no safetensors file: expected a header of at most {MAX_HEADER_BYTES} bytes, found a "
            f"length of {num_bytes}"
        )
    if num_bytes > file_bytes - _LENGTH_BYTES:
        raise CorruptFileError(
            f"{file}: is cut short: expected {num_bytes} bytes of header, found {file_bytes - _LENGTH_BYTES}"
        )


def _parse_entry(file: Path, name: str, fields: object, data_start: int) -> TensorEntry:
    if not isinstance(fields, dict) or fields.keys() != _ENTRY_KEYS:
        raise CorruptFileError(
            f"{file}: tensor {name!r}: expected {sorted(_ENTRY_KEYS)}, found {short(fields)}"
        )
    dtype = _DTYPES.get(str(fields["dtype"]))
    if dtype is None:
        raise CorruptFileError(
            f"{file}: tensor {name!r}: expected a dtype of {sorted(_DTYPES)}, found {short(fields['dtype'])}"
        )
    spec = TensorSpec(name, dtype, _parse_sizes(file, name, "shape", fields["shape"]))
    offsets = _parse_sizes(file, name, "data_offsets", fields["data_offsets"])
    if len(offsets) != 2 or offsets[1] - offsets[0] != spec.num_bytes:
        raise CorruptFileError(
            f"{file}: tensor {name!r}: expected two data_offsets that span {spec.description}, found "
            f"{short(list(offsets))}"
        )
    return TensorEntry(file, spec, data_start + offsets[0])


def _parse_sizes(file: Path, name: str, key: str, sizes: object) -> tuple[int, ...]:
    if (
        not isinstance(sizes, list)
        or len(sizes) > _MAX_AXES
        or not all(type(size) is int and 0 <= size < _MAX_SIZE for size in sizes)
    ):
        raise CorruptFileError(
            f"{file}: tensor {name!r}: expected a list of sizes as {key}, found {short(sizes)}"
        )
    return tuple(sizes)


def _check_contiguous(file: Path, entries: list[TensorEntry], data_start: int, file_bytes: int) -> None:
    """No gap, no overlap, and the last tensor ends where the file does."""
    expected = data_start
    for entry in entries:
        if entry.first_byte != expected:
            raise CorruptFileError(
                f"{entry}: expected at byte {expected}, where the one before ends, found at "
                f"{entry.first_byte}"
            )
        expected = entry.end_byte
        if expected > file_bytes:
            raise CorruptFileError(
                f"{entry} is cut short: expected its end at byte {expected}, found the file's at {file_bytes}"
            )
    if expected != file_bytes:
        raise CorruptFileError(f"{file}: expected {expected} bytes by its header, found {file_bytes}")
