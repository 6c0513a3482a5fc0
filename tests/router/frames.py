"""Frames that no sender of ours would make, with valid checksums, for tests of those who read them."""

import struct
import zlib
from collections.abc import Sequence

import msgpack
import numpy as np

from router.frame import ALIGNMENT, MAGIC, VERSION, Field, FrameKind

PREFIX = struct.Struct("<4sIBBHQ")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


def raw_frame(
    kind: int,
    header: bytes,
    sections: Sequence[bytes] = (),
    *,
    magic: bytes = MAGIC,
    version: int = VERSION,
    length: int | None = None,
    header_length: int | None = None,
    checksum: int | None = None,
) -> bytes:
    """docs/frames.md once more, in other words than router.frame; what is not said is as it must be."""
    header_length = len(header) if header_length is None else header_length
    body = padded(bytes(PREFIX.size) + header)[PREFIX.size :] + b"".join(map(padded, sections))
    length = PREFIX.size + len(body) if length is None else length
    if checksum is None:
        checksum = checksum_of(version, kind, header, sections, length)
    return PREFIX.pack(magic, checksum, version, kind, header_length, length) + body


def frame(kind: FrameKind, fields: Sequence[Field], sections: Sequence[bytes] = ()) -> bytes:
    lengths = [len(section) for section in sections]
    return raw_frame(kind, msgpack.packb([*fields, lengths]), sections)


def checksum_of(version: int, kind: int, header: bytes, sections: Sequence[bytes], length: int) -> int:
    summed = struct.pack("<BBHQ", version, kind, len(header), length) + header
    for section in sections:
        if len(section) >= 16384:
            whole = len(section) - len(section) % 4096
            words = np.frombuffer(section[:whole], dtype="<u8").reshape(-1, 512)
            total = [sum(column) % 2**64 for column in words.T.tolist()]
            summed += struct.pack("<512Q", *total) + section[whole:]
        else:
            summed += section
    return zlib.crc32(summed)
