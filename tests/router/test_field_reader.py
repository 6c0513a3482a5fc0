"""Fields are read in turn, each of its type, and none is left over."""

import pytest

from protos.errors import MalformedFrameError
from router.field_reader import FieldReader
from router.frame import Field, Frame, FrameKind


def test_fields_are_read_in_turn_and_each_must_be_of_its_type() -> None:
    read = FieldReader(Frame(FrameKind.REPLY, ("name", 5, None, 0), ()), FrameKind.REPLY)
    assert (read.text(), read.natural(), read.optional_natural(), read.optional_natural()) == (
        "name",
        5,
        None,
        0,
    )
    read.end()
    for method in (read.text, read.natural, read.optional_natural):
        with pytest.raises(MalformedFrameError, match="REPLY"):
            method()


@pytest.mark.parametrize("value", [-1, 1.0, True, b"", None])
def test_a_natural_number_is_no_other_number(value: Field) -> None:
    with pytest.raises(MalformedFrameError, match="a number from 0"):
        FieldReader(Frame(FrameKind.REPLY, (value,), ()), FrameKind.REPLY).natural()


def test_a_frame_of_another_kind_and_fields_too_many_are_refused() -> None:
    with pytest.raises(MalformedFrameError, match="a REPLY frame has come where it must be a HELLO"):
        FieldReader(Frame(FrameKind.REPLY, (), ()), FrameKind.HELLO)
    with pytest.raises(MalformedFrameError, match="2 fields too many"):
        FieldReader(Frame(FrameKind.REPLY, (1, 2), ()), FrameKind.REPLY).end()


def test_the_last_fields_are_so_many_numbers() -> None:
    read = FieldReader(Frame(FrameKind.REPLY, ("name", 5, 0), ()), FrameKind.REPLY)
    assert read.text() == "name"
    assert read.last_naturals(2) == [5, 0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((5,), "None where it must have a number from 0"),
        ((5, 1, 2, 3), "2 fields too many"),
        ((5, -1), "-1 where"),
        ((5, True), "True where"),
        ((5, "a"), "'a' where"),
    ],
)
def test_the_last_fields_are_refused_unless_they_are_so_many_numbers(
    fields: list[Field], message: str
) -> None:
    with pytest.raises(MalformedFrameError, match=message):
        FieldReader(Frame(FrameKind.REPLY, fields, ()), FrameKind.REPLY).last_naturals(2)
