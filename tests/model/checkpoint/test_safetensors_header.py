import json
import re
from pathlib import Path

import pytest
import safetensors
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.checkpoint.safetensors_header import (
    MAX_HEADER_BYTES,
    TensorSpec,
    encode_header,
    parse_header,
    read_header,
)
from protos.errors import CorruptFileError

FILE = Path("somewhere/model.safetensors")
FIRST = {"dtype": "BF16", "shape": [3, 5], "data_offsets": [0, 30]}
SECOND = {"dtype": "U8", "shape": [7], "data_offsets": [30, 37]}


def parse(header: object, num_data_bytes: int = 37) -> list[tuple[str, str, int]]:
    document = json.dumps(header).encode()
    entries = parse_header(FILE, document, 8 + len(document) + num_data_bytes)
    return [(e.spec.name, e.spec.description, e.first_byte - 8 - len(document)) for e in entries.values()]


def test_a_header_is_read_whatever_the_order_of_its_keys() -> None:
    header = {"second": SECOND, "__metadata__": {"format": "pt"}, "first": FIRST}
    assert parse(header) == [("first", "BF16 [3, 5]", 0), ("second", "U8 [7]", 30)]


def test_empty_tensors_and_scalars() -> None:
    header = {
        "scalar": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
        "late": {"dtype": "F32", "shape": [0, 9], "data_offsets": [4, 4]},
        "early": {"dtype": "F32", "shape": [9, 0], "data_offsets": [0, 0]},
    }
    assert parse(header, 4) == [
        ("early", "F32 [9, 0]", 0),
        ("scalar", "F32 []", 0),
        ("late", "F32 [0, 9]", 4),
    ]
    assert parse({}, 0) == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"\x93NUMPY", "not a safetensors header"),
        (b"", "not a safetensors header"),
        (b"[]", "list, expected an object"),
        (b'{"first": ' + json.dumps(FIRST).encode() + b', "first": 1}', "'first' stands there twice"),
        (b'{"\\ud800": 3}', "tensor '\\ud800': expected"),
        ({"first": 3}, "tensor 'first': expected ['data_offsets', 'dtype', 'shape'], found 3"),
        (
            {"first": FIRST | {"extra": 1}},
            "tensor 'first': expected ['data_offsets', 'dtype', 'shape'], found {",
        ),
        ({"first": FIRST | {"dtype": "BF17"}}, "tensor 'first': expected a dtype of ['BF16', "),
        ({"first": FIRST | {"dtype": ["BF16"]}}, "found ['BF16']"),
        (
            {"first": FIRST | {"shape": [3, -5]}},
            "tensor 'first': expected a list of sizes as shape, found [3, -5]",
        ),
        ({"first": FIRST | {"shape": [3, 5.0]}}, "sizes as shape, found [3, 5.0]"),
        ({"first": FIRST | {"shape": [True, 15]}}, "sizes as shape, found [True, 15]"),
        ({"first": FIRST | {"shape": "35"}}, "sizes as shape, found '35'"),
        (
            {"first": FIRST | {"shape": [3, 6]}},
            "tensor 'first': expected two data_offsets that span BF16 [3, 6], found [0, 30]",
        ),
        ({"first": FIRST | {"shape": [2**63, 1]}}, "sizes as shape, found [9223372036854775808, 1]"),
        ({"first": FIRST | {"shape": [2**62] * 64}}, "found [0, 30]"),
        ({"first": FIRST | {"shape": [1] * 65}}, "sizes as shape, found [1, 1,"),
        (
            {"first": FIRST | {"data_offsets": [10**4299, 10**4299 + 30]}},
            "sizes as data_offsets, found [1000",
        ),
        ({"first": FIRST | {"data_offsets": [0, 30, 30]}}, "found [0, 30, 30]"),
        ({"first": FIRST | {"data_offsets": [30, 0]}}, "found [30, 0]"),
        ({"first": FIRST | {"data_offsets": [-30, 0]}}, "sizes as data_offsets, found [-30, 0]"),
        ({"first": FIRST}, "expected <30> bytes by its header, found <37>"),
        (
            {"second": SECOND},
            "tensor 'second': expected at byte <0>, where the one before ends, found at <30>",
        ),
        (
            {"first": FIRST, "second": SECOND | {"data_offsets": [29, 36]}},
            "at byte <30>, where the one before ends, found at <29>",
        ),
        (
            {"first": FIRST, "second": SECOND | {"data_offsets": [31, 38]}},
            "at byte <30>, where the one before ends, found at <31>",
        ),
        (
            {"first": FIRST, "second": SECOND | {"shape": [8], "data_offsets": [30, 38]}},
            "tensor 'second' is cut short: expected its end at byte <38>, found the file's at <37>",
        ),
    ],
)
def test_a_damaged_header_is_refused(header: object, expected: str) -> None:
    """`<n>` is byte n of the data, counted from the beginning of the file."""
    document = header if isinstance(header, bytes) else json.dumps(header).encode()
    with pytest.raises(CorruptFileError) as caught:
        parse_header(FILE, document, 8 + len(document) + 37)
    absolute = re.sub("<([0-9]+)>", lambda found: str(8 + len(document) + int(found[1])), expected)
    assert str(FILE) in str(caught.value)
    assert absolute in str(caught.value)


def test_a_header_of_ours_reads_back() -> None:
    specs = [TensorSpec("b", torch.float8_e4m3fn, (3,)), TensorSpec("a", torch.bfloat16, (2, 5))]
    header = encode_header(specs)
    assert len(header) % 8 == 0
    entries = parse_header(FILE, header[8:], len(header) + 23)
    assert [entry.spec for entry in entries.values()] == specs
    assert [(e.first_byte - len(header), e.end_byte - len(header)) for e in entries.values()] == [
        (0, 3),
        (3, 23),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected at least 8 bytes, found 0"),
        (b"1234567", "expected at least 8 bytes, found 7"),
        ((1).to_bytes(8, "little"), "is cut short: expected 1 bytes of header, found 0"),
        ((51).to_bytes(8, "little") + bytes(50), "is cut short: expected 51 bytes of header, found 50"),
        ((2**63).to_bytes(8, "little") + bytes(50), f"found a length of {2**63}"),
        ((0).to_bytes(8, "little"), "not a safetensors header"),
        (b"PK\x03\x04\x14\x00\x06\x00" + bytes(60), "is no safetensors file: expected a header of at most"),
    ],
)
def test_a_file_that_is_no_safetensors(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(CorruptFileError) as caught:
        read_header(file)
    assert str(file) in str(caught.value)
    assert expected in str(caught.value)


def test_a_huge_header_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes((MAX_HEADER_BYTES + 1).to_bytes(8, "little"))
    with file.open("r+b") as stream:
        stream.truncate(8 + 2 * MAX_HEADER_BYTES)  # sparse
    with pytest.raises(CorruptFileError, match=f"found a length of {MAX_HEADER_BYTES + 1}"):
        read_header(file)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="Is a directory"):
        read_header(tmp_path)
    with pytest.raises(CorruptFileError, match="No such file"):
        read_header(tmp_path / "absent")


NUMBERS = st.integers(-1, 40) | st.integers() | st.floats() | st.booleans() | st.none()
FIELDS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["BF16", "U8", "F32", "F4", "", None]),
        "shape": st.lists(NUMBERS, max_size=3) | st.text(max_size=2),
        "data_offsets": st.lists(NUMBERS, max_size=3),
    },
    optional={"extra": st.none()},
)


GARBAGE: st.SearchStrategy[object] = st.dictionaries(st.text(max_size=3), FIELDS | NUMBERS, max_size=3)


@settings(deadline=None)
@given(st.binary(max_size=60) | GARBAGE)
def test_fuzz_garbage_is_refused_or_lies_inside_the_file(header: object) -> None:
    document = header if isinstance(header, bytes) else json.dumps(header).encode()
    file_bytes = 8 + len(document) + 30
    try:
        entries = parse_header(FILE, document, file_bytes)
    except CorruptFileError:
        return
    assert all(
        8 + len(document) <= entry.first_byte <= entry.end_byte <= file_bytes for entry in entries.values()
    )


@st.composite
def nearly_valid_files(draw: st.DrawFn) -> tuple[bytes, int]:
    """A header of real tensors, with perhaps one number changed, and its data's size, perhaps wrong."""
    header: dict[str, dict[str, object]] = {}
    end = 0
    for number, (dtype, itemsize) in enumerate(
        draw(st.lists(st.sampled_from([("U8", 1), ("F32", 4)]), max_size=4))
    ):
        shape = draw(st.lists(st.integers(0, 3), max_size=3))
        start, end = end, end + torch.Size(shape).numel() * itemsize
        header[f"t{number}"] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    if draw(st.booleans()) and header:
        fields = header[draw(st.sampled_from(sorted(header)))]
        fields["data_offsets"] = draw(st.tuples(st.integers(0, 40), st.integers(0, 40)))
    return json.dumps(header).encode(), end + draw(st.sampled_from([0, 0, 0, 1, -1]))


@settings(deadline=None)
@given(nearly_valid_files())
def test_fuzz_we_accept_what_the_reference_library_accepts(drawn: tuple[bytes, int]) -> None:
    document, num_data_bytes = drawn
    content = len(document).to_bytes(8, "little") + document + bytes(max(0, num_data_bytes))
    try:
        held = safetensors.deserialize(content)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError:
        with pytest.raises(CorruptFileError):
            parse_header(FILE, document, len(content))
        return
    found = parse_header(FILE, document, len(content))
    assert {name: entry.spec.shape for name, entry in found.items()} == {
        name: tuple(fields["shape"]) for name, fields in held
    }
