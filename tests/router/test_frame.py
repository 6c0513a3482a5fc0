"""Frames come back as they went out; whatever else comes is refused, each fault with an error of its own."""

from collections.abc import Callable, Sequence

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protos.errors import (
    FrameChecksumError,
    FrameError,
    FrameVersionError,
    MalformedFrameError,
    OversizedFrameError,
    TruncatedFrameError,
)
from router.frame import (
    ALIGNMENT,
    MOST_SECTIONS,
    Field,
    Frame,
    FrameKind,
    decode,
    decode_reference,
    encode,
    encode_reference,
)
from tests.router.frames import checksum_of, frame, raw_frame

MAX_BYTES = 1 << 20
FIELDS: Sequence[Field] = ("attention-0", 7, None, True, 0.5, b"\x00\xff", 2**64 - 1)
SECTIONS = (b"abc", b"", bytes(range(64)), b"x" * 65)
GOOD = frame(FrameKind.DISPATCH, FIELDS, SECTIONS)

numbers = st.integers(0, 2**64 - 1)
scalars = (
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | st.text() | st.binary(max_size=40)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
kinds = st.sampled_from(FrameKind)


def views(sections: Sequence[bytes]) -> list[memoryview]:
    return [memoryview(section) for section in sections]


@given(kinds, st.lists(scalars, max_size=10), st.lists(st.binary(max_size=200), max_size=MOST_SECTIONS))
def test_what_is_encoded_is_decoded(kind: FrameKind, fields: list[Field], sections: list[bytes]) -> None:
    data = encode(kind, fields, views(sections))
    assert data == encode_reference(kind, fields, views(sections))
    found = decode(data, MAX_BYTES)
    assert found.kind is kind
    assert list(found.fields) == fields
    assert [bytes(section) for section in found.sections] == sections
    assert data == frame(kind, fields, sections)


@pytest.mark.parametrize("length", [16383, 16384, 20479, 20480, 50001])
def test_long_sections_are_summed_before_they_are_hashed(length: int) -> None:
    section = bytes(number * 31 % 251 for number in range(length))
    data = encode(FrameKind.REPLY, (1,), views([section, b"after"]))
    assert data == frame(FrameKind.REPLY, (1,), [section, b"after"])
    for position in (64, 64 + length // 2, 64 + length - 1):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        with pytest.raises(FrameChecksumError):
            decode(bytes(damaged), MAX_BYTES)


def test_every_section_begins_where_tensors_may() -> None:
    data = encode(FrameKind.DISPATCH, FIELDS, views(SECTIONS))
    for section in decode(data, MAX_BYTES).sections:
        if section:
            assert data.index(bytes(section)) % ALIGNMENT == 0


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", TruncatedFrameError, "0 bytes"),
        (GOOD[:19], TruncatedFrameError, "19 bytes"),
        (GOOD[:-1], TruncatedFrameError, "have come"),
        (GOOD[:64], TruncatedFrameError, "have come"),
        (GOOD + b"\0", MalformedFrameError, "have come"),
        (bytes(MAX_BYTES + 1), OversizedFrameError, "at most"),
        (b"HTTP" + GOOD[4:], MalformedFrameError, "HTTP"),
        (raw_frame(2, b"\x91\x90", version=2), FrameVersionError, "version 2"),
        (raw_frame(0, b"\x91\x90"), MalformedFrameError, "kind 0"),
        (raw_frame(9, b"\x91\x90"), MalformedFrameError, "kind 9"),
        (raw_frame(2, b"\x91\x90", checksum=1), FrameChecksumError, "00000001"),
        (raw_frame(2, b"\x91\x90", header_length=65000), TruncatedFrameError, "header"),
        (raw_frame(2, b"\x91\x90", length=2**64 - 1), TruncatedFrameError, "have come"),
        (raw_frame(2, b"\x91\x90", length=0), TruncatedFrameError, "have come"),
        (raw_frame(2, b""), MalformedFrameError, "msgpack"),
        (raw_frame(2, b"\xc1"), MalformedFrameError, "msgpack"),
        (raw_frame(2, b"\x92\xa1\xff\x90"), MalformedFrameError, "msgpack"),
        (raw_frame(2, b"\xdd\xff\xff\xff\xff"), MalformedFrameError, "msgpack"),
        (raw_frame(2, b"\x92\xdb\xff\xff\xff\xff\x90"), MalformedFrameError, "msgpack"),
        (raw_frame(2, b"\x92\xd6\xff\0\0\0\0\x90"), MalformedFrameError, "msgpack"),
        (raw_frame(2, b"\x92" + b"\x91" * 5000 + b"\x90\x90"), MalformedFrameError, "msgpack"),
        (raw_frame(2, b"\x92" + b"\x91" * 1015 + b"\x90\x90"), MalformedFrameError, "neither"),
        (raw_frame(2, b"\x91" * 1015 + b"\x90"), MalformedFrameError, "a length of a section"),
        (raw_frame(2, b"\x92\xc7\x00\x05\x90"), MalformedFrameError, "neither"),
        (raw_frame(2, b"\x92\x80\x90"), MalformedFrameError, "neither"),
        (raw_frame(2, b"\x05"), MalformedFrameError, "array"),
        (raw_frame(2, b"\x90"), MalformedFrameError, "array"),
        (raw_frame(2, b"\x91\x05"), MalformedFrameError, "array"),
        (raw_frame(2, msgpack.packb([[-1]])), MalformedFrameError, "a length"),
        (raw_frame(2, msgpack.packb([[True]])), MalformedFrameError, "a length"),
        (raw_frame(2, msgpack.packb([[1.0]]), [b"a"]), MalformedFrameError, "a length"),
        (raw_frame(2, msgpack.packb([[0] * 33])), MalformedFrameError, "33 sections"),
        (raw_frame(2, msgpack.packb([[1]])), TruncatedFrameError, "end at byte 128"),
        (raw_frame(2, msgpack.packb([[2**64 - 1]])), TruncatedFrameError, "end at byte"),
        (raw_frame(2, msgpack.packb([[]]), [b"a"]), MalformedFrameError, "end at byte 64"),
    ],
)
def test_each_fault_has_an_error_of_its_own(data: bytes, error: type[FrameError], message: str) -> None:
    for read in (decode, decode_reference):
        with pytest.raises(error, match=message) as caught:
            read(data, MAX_BYTES)
        assert type(caught.value) is error


@given(st.integers(0, len(GOOD) * 8 - 1))
def test_no_flipped_bit_goes_unseen(bit: int) -> None:
    damaged = bytearray(GOOD)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        found = decode(bytes(damaged), MAX_BYTES)
    except FrameError:
        return
    good = decode(GOOD, MAX_BYTES)  # zeros between sections are not read
    assert (found.kind, found.fields, found.sections) == (good.kind, good.fields, good.sections)
    assert GOOD[bit // 8] == 0


@given(st.binary(max_size=300))
@example(GOOD)
def test_random_bytes_are_refused_in_words(data: bytes) -> None:
    refused_or_read(data)


@given(st.binary(max_size=100), st.lists(st.binary(max_size=70), max_size=3), st.integers(0, 255))
def test_random_headers_behind_a_valid_checksum_are_refused_in_words(
    header: bytes, sections: list[bytes], kind: int
) -> None:
    refused_or_read(raw_frame(kind, header, sections))


@settings(max_examples=200)
@given(st.lists(anything, max_size=5), st.lists(st.binary(max_size=70), max_size=3), anything)
def test_any_msgpack_behind_a_valid_checksum_is_refused_in_words(
    fields: list[object], sections: list[bytes], lengths: object
) -> None:
    refused_or_read(raw_frame(1, msgpack.packb([*fields, lengths]), sections))


@given(st.binary(min_size=1, max_size=8), st.integers(0, len(GOOD) - 8))
def test_mutations_of_a_good_frame_are_refused_in_words(bite: bytes, position: int) -> None:
    refused_or_read(GOOD[:position] + bite + GOOD[position + len(bite) :])
    refused_or_read(GOOD[:position] + GOOD[position + len(bite) :])
    refused_or_read(GOOD[:position] + bite + GOOD[position:])


def refused_or_read(data: bytes) -> None:
    """What is built and what is not say the same."""
    expected, found = outcome(decode_reference, data), outcome(decode, data)
    assert found[:3] == expected[:3]
    if isinstance(found, Frame):
        assert sum(section.nbytes for section in found.sections) <= len(data)


def outcome(read: Callable[[bytes, int], Frame], data: bytes) -> Frame | tuple[type[FrameError], str]:
    try:
        return read(data, MAX_BYTES)
    except FrameError as error:
        return type(error), str(error)


def test_the_checksum_of_the_tests_is_not_that_of_the_code() -> None:
    """Else a mistake in one would be in both: it is made of bytes alone, where the code folds arrays."""
    data = encode(FrameKind.REPLY, (3,), views([b"\xff" * 40960]))
    header = msgpack.packb([3, [40960]])
    assert int.from_bytes(data[4:8], "little") == checksum_of(1, 3, header, [b"\xff" * 40960], len(data))
