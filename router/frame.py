"""A data frame: the unit that travels between workers on the token path, as bytes that no serialiser touches.

    magic 4s | checksum u32 | version u8 | kind u8 | length of the header u16 | length of the frame u64
    header: msgpack, an array of the message's own fields, and at its end the lengths of the sections
    zeros up to a multiple of 64; then each section, little-endian, padded with zeros to a multiple of 64

`decode` refuses whatever is not exactly that, each fault with an error of its own. Not here: what the fields
and sections of a kind mean (`router.dispatch_frames`, `workers.attention.stage_frames`). docs/frames.md is
the same for other languages. Pure.
"""

import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import msgpack
import numpy as np

from kernels.cpu.frame_kernels import load_frame_kernels
from protos.errors import (
    FrameChecksumError,
    FrameVersionError,
    MalformedFrameError,
    OversizedFrameError,
    TruncatedFrameError,
)

MAGIC = b"XMSH"
VERSION = 1
ALIGNMENT = 64
MOST_SECTIONS = 32
_SUMMED_FROM = 8  # magic and checksum are not
_PREFIX = struct.Struct("<4sIBBHQ")
PREFIX_BYTES = _PREFIX.size
_REST_OF_PREFIX = struct.Struct("<BBHQ")
_SUMMED_BLOCK = 4096
_LEAST_SUMMED = 16384

Field = int | float | str | bytes | bool | None


class FrameKind(IntEnum):
    """What a frame is; the numbers are the wire's."""

    HELLO = 1  # the first on every stream, from the worker
    DISPATCH = 2
    REPLY = 3
    REFUSAL = 4
    STEP = 5  # hidden states on their way to the next stage
    HIDDEN = 6  # and what came of them


class Frame(NamedTuple):
    """`sections` of a decoded frame are views of the bytes that came; they keep them alive."""

    kind: FrameKind
    fields: Sequence[Field]
    sections: Sequence[memoryview]
    address: int | None = None  # of the first section, where it was not hard to say


def encode(kind: FrameKind, fields: Sequence[Field], sections: Sequence[memoryview] = ()) -> bytes:
    """Sections are contiguous bytes. They are copied once, into the frame."""
    kernels = load_frame_kernels()
    if kernels is None:
        return encode_reference(kind, fields, sections)
    header = header_of(fields, [section.nbytes for section in sections])
    frame = b"".join((_NO_PREFIX, header, *_padded(len(header), sections)))
    return kernels.seal(frame, kind, len(header))


def encode_reference(kind: FrameKind, fields: Sequence[Field], sections: Sequence[memoryview] = ()) -> bytes:
    """The definition, without what has to be built."""
    lengths = [section.nbytes for section in sections]
    header = header_of(fields, lengths)
    summed = _REST_OF_PREFIX.pack(VERSION, kind, len(header), frame_bytes(header, lengths)) + header
    checksum = _checksum(summed, sections).to_bytes(4, "little")
    return b"".join((MAGIC, checksum, summed, *_padded(len(header), sections)))


def header_of(fields: Sequence[Field], lengths: Sequence[int]) -> bytes:
    """`lengths` are those of the sections."""
    header: bytes = msgpack.packb([*fields, lengths])
    assert len(header) < 1 << 16, "a header holds a few numbers and names"
    return header


def frame_bytes(header: bytes, lengths: Sequence[int]) -> int:
    """How long the frame is; `lengths` are those of its sections."""
    total = PREFIX_BYTES + len(header)
    total += -total % ALIGNMENT
    for length in lengths:
        total += length + -length % ALIGNMENT
    return total


def _padded(header_length: int, sections: Sequence[memoryview]) -> list[bytes | memoryview]:
    """All that follows the header."""
    parts: list[bytes | memoryview] = [_PADDINGS[-(PREFIX_BYTES + header_length) % ALIGNMENT]]
    for section in sections:
        parts += (section, _PADDINGS[-section.nbytes % ALIGNMENT])
    return parts


def decode(data: bytes, max_bytes: int) -> Frame:
    """Raises one of the FrameErrors."""
    kernels = load_frame_kernels()
    found = kernels.read(data) if kernels is not None and len(data) <= max_bytes else None
    if found is None:
        return decode_reference(data, max_bytes)
    address, kind, header_length, *spans = found
    try:
        fields = msgpack.unpackb(data[PREFIX_BYTES : PREFIX_BYTES + header_length])
    except ValueError:  # a text that is none
        return decode_reference(data, max_bytes)
    fields.pop()
    view, ends = memoryview(data), iter(spans)
    sections = [view[begin:end] for begin, end in zip(ends, ends, strict=True)]
    return Frame(_NUMBER_TO_KIND[kind], fields, sections, address + spans[0] if spans else None)


def decode_reference(data: bytes | memoryview, max_bytes: int) -> Frame:
    """The definition, step by step; it also says what is wrong."""
    view = memoryview(data)
    kind, header_length, checksum = _read_prefix(view, max_bytes)
    end_of_header = PREFIX_BYTES + header_length
    fields, section_lengths = _read_header(view[PREFIX_BYTES:end_of_header])
    sections = _cut(view, end_of_header, section_lengths)
    if _checksum(view[_SUMMED_FROM:end_of_header], sections) != checksum:
        raise FrameChecksumError(
            f"a frame of {view.nbytes} bytes does not have the checksum {checksum:08x} that it names"
        )
    return Frame(kind, fields, sections)


def _read_prefix(view: memoryview, max_bytes: int) -> tuple[FrameKind, int, int]:
    """-> kind, length of the header, checksum"""
    if view.nbytes > max_bytes:
        raise OversizedFrameError(f"a frame has {view.nbytes} bytes; at most {max_bytes} are taken here")
    if view.nbytes < PREFIX_BYTES:
        raise TruncatedFrameError(f"a frame has {view.nbytes} bytes; it has at least {PREFIX_BYTES}")
    magic, checksum, version, kind, header_length, length = _PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise MalformedFrameError(f"a frame begins with {magic!r}; it must begin with {MAGIC!r}")
    if version != VERSION:
        raise FrameVersionError(f"a frame has version {version}; this worker speaks version {VERSION} alone")
    if length > view.nbytes or PREFIX_BYTES + header_length > length:
        raise TruncatedFrameError(
            f"a frame names {length} bytes, {header_length} of them its header; {view.nbytes} have come"
        )
    if length < view.nbytes:
        raise MalformedFrameError(f"a frame names {length} bytes, and {view.nbytes} have come")
    if kind not in _KINDS:
        raise MalformedFrameError(f"a frame is of kind {kind}, which does not exist")
    return FrameKind(kind), header_length, checksum


def _read_header(header: memoryview) -> tuple[list[Field], list[int]]:
    try:
        fields = msgpack.unpackb(header, max_ext_len=0, max_map_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise MalformedFrameError(f"the header of a frame is not msgpack: {error}") from error
    if not isinstance(fields, list) or not fields or not isinstance(fields[-1], list):
        raise MalformedFrameError(
            "the header of a frame is not an array that ends in the lengths of sections"
        )
    lengths = fields.pop()
    if len(lengths) > MOST_SECTIONS:
        raise MalformedFrameError(f"a frame has {len(lengths)} sections; at most {MOST_SECTIONS} are taken")
    if not all(type(length) is int and length >= 0 for length in lengths):
        raise MalformedFrameError("a length of a section of a frame is not a number from 0")
    if not _FIELD_TYPES.issuperset(map(type, fields)):  # lists in lists could be as deep as our own stack
        raise MalformedFrameError("a field of a frame is neither a number nor a text, nor bytes or nothing")
    return fields, lengths


def _cut(view: memoryview, position: int, lengths: Sequence[int]) -> list[memoryview]:
    position += -position % ALIGNMENT
    sections = []
    for length in lengths:
        sections.append(view[position : position + length])
        position += length + -length % ALIGNMENT
    if position != view.nbytes:
        kind = TruncatedFrameError if position > view.nbytes else MalformedFrameError
        raise kind(f"the sections of a frame end at byte {position}, the frame at byte {view.nbytes}")
    return sections


def _checksum(begin: bytes | memoryview, sections: Sequence[memoryview]) -> int:
    """CRC-32 of the rest of the prefix, the header and every section; of long sections first comes a sum."""
    value = zlib.crc32(begin)
    for section in sections:
        length = section.nbytes
        if length >= _LEAST_SUMMED:  # a CRC of all would take ten times as long
            rest = length % _SUMMED_BLOCK
            words = np.frombuffer(section, _WORD, (length - rest) // 8).reshape(-1, _SUMMED_BLOCK // 8)
            value = zlib.crc32(np.add.reduce(words, axis=0), value)
            section = section[length - rest :]
        value = zlib.crc32(section, value)
    return value


_NO_PREFIX = bytes(PREFIX_BYTES)
_WORD = np.dtype("<u8")
_PADDINGS = [bytes(length) for length in range(ALIGNMENT)]
_KINDS = frozenset(FrameKind)
_NUMBER_TO_KIND = {int(kind): kind for kind in FrameKind}
_FIELD_TYPES = frozenset((int, float, str, bytes, bool, type(None)))
