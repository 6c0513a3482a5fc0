"""What the frames of the token path say comes back as it was said; what cannot be is refused in words."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.errors import (
    ExpertNotHereError,
    FrameChecksumError,
    FrameError,
    FrameVersionError,
    MalformedFrameError,
    OversizedFrameError,
    StaleEpochError,
    TruncatedFrameError,
    WorkerMismatchError,
)
from router.dispatch_frames import CombineMode, Dispatch, Hello, Refusal, RefusalReason, Reply
from router.frame import Field, Frame, FrameKind, decode
from router.rows import RowFormat
from tests.router.frames import frame

MAX_BYTES = 1 << 20
HELLO = Hello("expert-1", "ab12", "cpu-vector", 5, 4, MAX_BYTES)
ROWS, EXPERTS, WEIGHTS = (0, 1, 1), (6, 6, 2), (0.5, 0.25, 1.0)
FIELDS: Sequence[Field] = ("attention-0", 7, 3, 9, 1, 0, 2)
"""source, number, layer, epoch, row format, combine, rows"""
WRONG = (None, b"x", 1.5, True, -1)


def sections(rows: Sequence[int] = ROWS, experts: Sequence[int] = EXPERTS) -> list[bytes]:
    numbers = (np.array(rows, "<i4"), np.array(experts, "<i4"), np.array(WEIGHTS, "<f4"))
    return [b"".join(each.tobytes() for each in numbers), bytes(range(40))]


def dispatch(mode: CombineMode = CombineMode.EXACT) -> Dispatch:
    return Dispatch(
        source="attention-0",
        number=7,
        layer=3,
        epoch=9,
        row_format=RowFormat.BFLOAT16,
        combine=mode,
        num_rows=2,
        row_sections=[memoryview(bytes(range(40)))],
        numbers=np.frombuffer(sections()[0], np.int32).reshape(3, 3),
    )


def test_a_dispatch_is_the_frame_that_its_fields_make() -> None:
    assert dispatch().encode() == frame(FrameKind.DISPATCH, FIELDS, sections())


def test_a_dispatch_comes_as_it_went() -> None:
    sent = dispatch()
    found = Dispatch.of(decode(sent.encode(), MAX_BYTES))
    assert found[:7] == sent[:7]
    assert [bytes(section) for section in found.row_sections] == [bytes(range(40))]
    assert (tuple(found.rows), tuple(found.experts), tuple(found.weights)) == (ROWS, EXPERTS, WEIGHTS)


def test_an_exact_reply_has_a_row_an_assignment_and_a_reduced_one_a_row_a_row() -> None:
    assert dispatch(CombineMode.EXACT).num_reply_rows == 3
    assert dispatch(CombineMode.REDUCED).num_reply_rows == 2


def test_replies_refusals_and_greetings_come_as_they_went() -> None:
    reply = Reply(7, 1500, RowFormat.MXFP8, [memoryview(b"values"), memoryview(b"exponents")])
    found = Reply.of(decode(reply.encode(), MAX_BYTES))
    assert found[:3] == reply[:3]
    assert [bytes(section) for section in found.row_sections] == [b"values", b"exponents"]
    for refusal in (
        Refusal(7, RefusalReason.NOT_HERE, "no", 3),
        Refusal(None, RefusalReason.CHECKSUM, "", 0),
    ):
        assert Refusal.of(decode(refusal.encode(), MAX_BYTES)) == refusal
    assert Hello.of(decode(HELLO.encode(), MAX_BYTES)) == HELLO


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MalformedFrameError("it"), RefusalReason.MALFORMED),
        (TruncatedFrameError("it"), RefusalReason.TRUNCATED),
        (OversizedFrameError("it"), RefusalReason.OVERSIZED),
        (FrameVersionError("it"), RefusalReason.VERSION),
        (FrameChecksumError("it"), RefusalReason.CHECKSUM),
        (StaleEpochError("it"), RefusalReason.STALE_EPOCH),
        (ExpertNotHereError("it"), RefusalReason.NOT_HERE),
        (WorkerMismatchError("it"), RefusalReason.MISMATCH),
        (RuntimeError("it"), RefusalReason.FAILED),
    ],
)
def test_each_error_is_refused_for_a_reason_of_its_own(error: Exception, reason: RefusalReason) -> None:
    refusal = Refusal.because(error, 5, epoch=2)
    assert (refusal.number, refusal.reason, refusal.epoch) == (5, reason, 2)
    assert "it" in refusal.message


def test_the_longest_message_of_a_refusal_fits_into_a_header() -> None:
    refusal = Refusal.because(RuntimeError("𐍈" * 100_000), 2**64 - 1, epoch=2**64 - 1)
    assert len(Refusal.of(decode(refusal.encode(), MAX_BYTES)).message) == 1000


def changed(index: int, value: Field) -> list[Field]:
    return [*FIELDS[:index], value, *FIELDS[index + 1 :]]


@pytest.mark.parametrize(
    ("fields", "sent", "message"),
    [
        *((changed(index, value), sections(), "where it must") for index, value in product(range(7), WRONG)),
        (FIELDS[:6], sections(), "a number from 0"),
        ((*FIELDS, 1), sections(), "1 fields too many"),
        (changed(4, 3), sections(), "row format 3"),
        (changed(5, 2), sections(), "combine mode 2"),
        (changed(4, 2), sections(), "has 2 sections"),
        (FIELDS, sections()[:1], "has 1 sections"),
        (FIELDS, [*sections(), b""], "has 3 sections"),
        (FIELDS, [b"", b""], "0 bytes of numbers"),
        (FIELDS, [bytes(10), b""], "10 bytes of numbers"),
        (FIELDS, [bytes(16), b""], "16 bytes of numbers"),
        (FIELDS, sections(rows=(0, 1, 2)), "rows 0 to 2"),
        (FIELDS, sections(rows=(0, -1, 1)), "rows -1 to 1"),
        (changed(6, 0), sections(), "of 0 rows"),
    ],
)  # fmt: skip
def test_a_dispatch_that_cannot_be_is_refused(
    fields: Sequence[Field], sent: list[bytes], message: str
) -> None:
    with pytest.raises(MalformedFrameError, match=message):
        Dispatch.of(decode(frame(FrameKind.DISPATCH, fields, sent), MAX_BYTES))


@pytest.mark.parametrize(
    ("read", "kind", "fields", "message"),
    [
        (Reply.of, FrameKind.REPLY, (1, 2, 9), "row format 9"),
        (Reply.of, FrameKind.REPLY, (1, 2, 0), "0 sections"),
        (Reply.of, FrameKind.REPLY, (None, 2, 0), "a number from 0"),
        (Refusal.of, FrameKind.REFUSAL, (1, 0, "", 0), "reason 0"),
        (Refusal.of, FrameKind.REFUSAL, (1, 10, "", 0), "reason 10"),
        (Refusal.of, FrameKind.REFUSAL, (-1, 1, "", 0), "or none"),
        (Refusal.of, FrameKind.REFUSAL, (1, 1, 5, 0), "a text"),
        (Hello.of, FrameKind.HELLO, ("a", "b", "c", 0, 0, 10), "none at all"),
        (Hello.of, FrameKind.HELLO, ("a", "b", "c", 0, 1, 0), "none at all"),
        (Hello.of, FrameKind.HELLO, ("a", "b", None, 0, 1, 10), "a text"),
        (Hello.of, FrameKind.DISPATCH, HELLO, "where it must be a HELLO"),
        (Reply.of, FrameKind.REFUSAL, (1, 2, 0), "where it must be a REPLY"),
        (Refusal.of, FrameKind.REPLY, (1, 1, "", 0), "where it must be a REFUSAL"),
        (Dispatch.of, FrameKind.STEP, FIELDS, "where it must be a DISPATCH"),
    ],
)
def test_other_frames_that_cannot_be_are_refused(
    read: Callable[[Frame], object], kind: FrameKind, fields: Sequence[Field], message: str
) -> None:
    with pytest.raises(MalformedFrameError, match=message):
        read(decode(frame(kind, fields), MAX_BYTES))


values = st.none() | st.booleans() | st.integers(-2, 10) | st.integers(0, 2**64 - 1) | st.text(max_size=3)
readers = st.sampled_from((Dispatch.of, Reply.of, Refusal.of, Hello.of))


@given(
    readers,
    st.sampled_from(FrameKind),
    st.lists(values, max_size=8),
    st.lists(st.binary(max_size=12), max_size=6),
)
def test_nothing_but_frame_errors_comes_of_any_frame(
    read: Callable[[Frame], object], kind: FrameKind, fields: list[Field], sent: list[bytes]
) -> None:
    read_or_refused(read, decode(frame(kind, fields, sent), MAX_BYTES))


@given(
    st.integers(0, 2**64 - 1), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2**64 - 1),
    st.lists(st.binary(max_size=48) | st.sampled_from(sections()), min_size=1, max_size=3),
)  # fmt: skip
def test_nothing_but_frame_errors_comes_of_a_dispatch_that_lies(
    number: int, row_format: int, combine: int, num_rows: int, sent: list[bytes]
) -> None:
    lying = frame(FrameKind.DISPATCH, ("a", number, 0, 0, row_format, combine, num_rows), sent)
    found = read_or_refused(Dispatch.of, decode(lying, MAX_BYTES))
    if isinstance(found, Dispatch):
        assert found.num_assignments > 0
        assert 0 <= found.rows.min() <= found.rows.max() < found.num_rows


def read_or_refused(read: Callable[[Frame], object], found: Frame) -> object:
    try:
        return read(found)
    except FrameError:
        return None
