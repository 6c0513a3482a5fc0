"""The frames between an attention worker and an expert worker: what each holds, and what it must not hold.

Numbers and bytes alone; rows stay as they travel until `router.rows` reads them. A frame that cannot be is
refused here with MalformedFrameError, so whoever gets a message may trust its lengths and indices.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from router.frame import FieldReader, Frame, FrameKind, encode
from router.rows import RowFormat, num_sections, row_format_of


class CombineMode(IntEnum):
    """Who sums a token's expert rows; the numbers are the wire's."""

    EXACT = 0  # the sender, slot by slot: the same bits however experts are spread
    REDUCED = 1  # each worker its own first: fewer bytes, other rounding


class Dispatch(NamedTuple):
    """Rows that want experts. `number` names it among all of its sender's; the reply names it again."""

    source: str
    number: int
    layer: int
    epoch: int
    row_format: RowFormat
    combine: CombineMode
    num_rows: int
    row_sections: Sequence[memoryview]
    rows: NDArray[np.int32]  # [assignments] into the rows that travel
    experts: NDArray[np.int32]  # [assignments] as the layer numbers them
    weights: NDArray[np.float32]  # [assignments]

    @property
    def num_assignments(self) -> int:
        return len(self.rows)

    @property
    def num_reply_rows(self) -> int:
        """One for each assignment, or one for each row that came."""
        return self.num_assignments if self.combine is CombineMode.EXACT else self.num_rows

    def encode(self) -> bytes:
        fields = (self.source, self.number, self.layer, self.epoch, int(self.row_format), int(self.combine))
        numbers = (self.rows.data.cast("B"), self.experts.data.cast("B"), self.weights.data.cast("B"))
        return encode(FrameKind.DISPATCH, (*fields, self.num_rows), (*numbers, *self.row_sections))

    @classmethod
    def of(cls, frame: Frame) -> "Dispatch":
        read = FieldReader(frame, FrameKind.DISPATCH)
        source, number, layer, epoch = read.text(), read.natural(), read.natural(), read.natural()
        row_format, combine = row_format_of(read), read.natural()
        num_rows = read.natural()
        read.end()
        if combine not in _COMBINE_MODES:
            raise MalformedFrameError(f"combine mode {combine} does not exist")
        if len(frame.sections) != 3 + num_sections(row_format):
            raise MalformedFrameError(f"a dispatch has {len(frame.sections)} sections")
        numbers, row_sections = frame.sections[:3], frame.sections[3:]
        if not 0 < numbers[0].nbytes == numbers[1].nbytes == numbers[2].nbytes or numbers[0].nbytes % 4:
            raise MalformedFrameError(
                f"a dispatch has {[section.nbytes for section in numbers]} bytes of numbers; "
                f"each of its assignments has a row, an expert and a weight, of four bytes each"
            )
        rows, experts = np.frombuffer(numbers[0], dtype="<i4"), np.frombuffer(numbers[1], dtype="<i4")
        if rows.min() < 0 or rows.max() >= num_rows:
            raise MalformedFrameError(
                f"a dispatch of {num_rows} rows names the rows {rows.min()} to {rows.max()}"
            )
        return cls(
            source,
            number,
            layer,
            epoch,
            row_format,
            CombineMode(combine),
            num_rows,
            row_sections,
            rows,
            experts,
            np.frombuffer(numbers[2], dtype="<f4"),
        )


class Reply(NamedTuple):
    """What came of a dispatch: its rows, weighted, in the order of its assignments (or summed by row)."""

    number: int
    compute_us: int
    row_format: RowFormat
    row_sections: Sequence[memoryview]

    def encode(self) -> bytes:
        fields = (self.number, self.compute_us, int(self.row_format))
        return encode(FrameKind.REPLY, fields, self.row_sections)

    @classmethod
    def of(cls, frame: Frame) -> "Reply":
        read = FieldReader(frame, FrameKind.REPLY)
        number, compute_us, row_format = read.natural(), read.natural(), row_format_of(read)
        read.end()
        if len(frame.sections) != num_sections(row_format):
            raise MalformedFrameError(f"a reply has {len(frame.sections)} sections")
        return cls(number, compute_us, row_format, frame.sections)


class RefusalReason(IntEnum):
    """Why a worker does not do what a frame asks; the numbers are the wire's."""

    MALFORMED = 1
    TRUNCATED = 2
    OVERSIZED = 3
    VERSION = 4
    CHECKSUM = 5
    STALE_EPOCH = 6
    NOT_HERE = 7
    MISMATCH = 8
    FAILED = 9  # the worker tried, and broke


_REASON_TO_ERROR: dict[RefusalReason, type[FrameError | WorkerMismatchError]] = {
    RefusalReason.TRUNCATED: TruncatedFrameError,
    RefusalReason.OVERSIZED: OversizedFrameError,
    RefusalReason.VERSION: FrameVersionError,
    RefusalReason.CHECKSUM: FrameChecksumError,
    RefusalReason.STALE_EPOCH: StaleEpochError,
    RefusalReason.NOT_HERE: ExpertNotHereError,
    RefusalReason.MISMATCH: WorkerMismatchError,
    RefusalReason.MALFORMED: MalformedFrameError,
}


class Refusal(NamedTuple):
    """A frame was not served. `number` is None where the frame could not be read so far."""

    number: int | None
    reason: RefusalReason
    message: str
    epoch: int  # of the worker

    @classmethod
    def because(cls, error: Exception, number: int | None, epoch: int) -> "Refusal":
        for reason, kind in _REASON_TO_ERROR.items():
            if isinstance(error, kind):
                return cls(number, reason, str(error), epoch)
        return cls(number, RefusalReason.FAILED, f"{type(error).__name__}: {error}", epoch)

    def encode(self) -> bytes:
        return encode(FrameKind.REFUSAL, (self.number, int(self.reason), self.message[:1000], self.epoch))

    @classmethod
    def of(cls, frame: Frame) -> "Refusal":
        read = FieldReader(frame, FrameKind.REFUSAL)
        number, reason, message, epoch = read.optional_natural(), read.natural(), read.text(), read.natural()
        read.end()
        if reason not in _REASONS:
            raise MalformedFrameError(f"a refusal has the reason {reason}, which does not exist")
        return cls(number, RefusalReason(reason), message, epoch)


class Hello(NamedTuple):
    """The first frame on every stream: who answers, and what it takes."""

    worker: str
    model: str  # a fingerprint: workers of one mesh serve one model
    arithmetic: str  # rows of workers with one arithmetic are equal to the last bit
    epoch: int
    credits: int  # frames that may be on their way unanswered
    max_frame_bytes: int

    def encode(self) -> bytes:
        return encode(FrameKind.HELLO, self)

    @classmethod
    def of(cls, frame: Frame) -> "Hello":
        read = FieldReader(frame, FrameKind.HELLO)
        texts = read.text(), read.text(), read.text()
        epoch, credit, max_frame_bytes = read.natural(), read.natural(), read.natural()
        read.end()
        if credit == 0 or max_frame_bytes == 0:
            raise MalformedFrameError(
                f"a worker that greets takes {credit} frames at once, of {max_frame_bytes} bytes: none at all"
            )
        return cls(*texts, epoch, credit, max_frame_bytes)


_COMBINE_MODES = frozenset(CombineMode)
_REASONS = frozenset(RefusalReason)
