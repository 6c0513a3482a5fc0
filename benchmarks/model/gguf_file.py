"""GGUF, the file that llama.cpp reads, version 3, little-endian:

    "GGUF", version, number of tensors, number of metadata
    each metadatum: key, type, value
    each tensor: name, shape with its fastest axis first, type, offset behind the header
    the tensors' bytes, each at a multiple of 32

Not here: what the file of a gpt-oss model holds (`gguf_model`, the only caller), and reading.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

VERSION = 3
ALIGNMENT = 32

Metadata = Mapping[str, int | float | str]


class TensorType(IntEnum):
    """Those that a gpt-oss model needs, by the numbers of ggml."""

    FLOAT32 = 0
    BFLOAT16 = 30
    MXFP4 = 39

    def num_bytes(self, num_values: int) -> int:
        match self:
            case TensorType.FLOAT32:
                return 4 * num_values
            case TensorType.BFLOAT16:
                return 2 * num_values
            case TensorType.MXFP4:
                return 17 * num_values // 32


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """`shape` counts values, and has its slowest axis first, as torch does."""

    name: str
    type: TensorType
    shape: tuple[int, ...]
    content: Callable[[], Tensor]  # called when it is written, so that one is in memory at a time

    @property
    def num_bytes(self) -> int:
        return self.type.num_bytes(prod(self.shape))


def write_gguf_file(file: Path, metadata: Metadata, tensors: Sequence[GgufTensor]) -> None:
    with file.open("wb") as stream:
        stream.write(_header(metadata, tensors))
        for tensor in tensors:
            _pad(stream)
            content = tensor.content().contiguous().flatten().view(torch.uint8)
            assert content.numel() == tensor.num_bytes, f"{tensor.name}: {content.numel()} bytes"
            content.numpy().tofile(stream)
        _pad(stream)


def _header(metadata: Metadata, tensors: Sequence[GgufTensor]) -> bytes:
    parts = [b"GGUF", struct.pack("<IQQ", VERSION, len(tensors), len(metadata))]
    parts += [_text(key) + _value(value) for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        axes = tensor.shape[::-1]
        shape = struct.pack(f"<I{len(axes)}Q", len(axes), *axes)
        parts.append(_text(tensor.name) + shape + struct.pack("<IQ", tensor.type, offset))
        offset += _padded(tensor.num_bytes)
    return b"".join(parts)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: float | str) -> bytes:
    """The number of its type, then itself."""
    match value:
        case str():
            return struct.pack("<I", 8) + _text(value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)


def _padded(num_bytes: int) -> int:
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT


def _pad(stream: BinaryIO) -> None:
    position = stream.tell()
    stream.write(bytes(_padded(position) - position))
