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
from router.field_reader import FieldReader
from router.frame import Frame, FrameKind, encode
from router.rows import RowFormat, num_sections, row_format_numbered


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
    numbers: NDArray[np.int32]  # [3, assignments]: rows, experts, and the bits of weights

    @property
    def num_assignments(self) -> int:
        return self.numbers.size // 3

    @property
    def rows(self) -> NDArray[np.int32]:
        """[assignments] into the rows that travel."""
        rows: NDArray[np.int32] = self.numbers[0]
        return rows

    @property
    def experts(self) -> NDArray[np.int32]:
        """[assignments] as the layer numbers them."""
        experts: NDArray[np.int32] = self.numbers[1]
        return experts

    @property
    def weights(self) -> NDArray[np.float32]:
        """[assignments]"""
        weights: NDArray[np.float32] = self.numbers[2].view(np.float32)
        return weights

    @property
    def num_reply_rows(self) -> int:
        """One for each assignment, or one for each row that came."""
        return self.num_assignments if self.combine is CombineMode.EXACT else self.num_rows

    def encode(self) -> bytes:
        fields = (self.source, self.number, self.layer, self.epoch, self.row_format, self.combine)
        sections = (self.numbers.data.cast("B"), *self.row_sections)
        return encode(FrameKind.DISPATCH, (*fields, self.num_rows), sections)

    @classmethod
    def of(cls, frame: Frame) -> "Dispatch":
        read = FieldReader(frame, FrameKind.DISPATCH)
        source = read.text()
        number, layer, epoch, row_format_number, mode_number, num_rows = read.last_naturals(6)
        row_format, combine = row_format_numbered(row_format_number), _NUMBER_TO_MODE.get(mode_number)
        if combine is None:
            raise MalformedFrameError(f"combine mode {mode_number} does not exist")
        if len(frame.sections) != 1 + num_sections(row_format):
            raise MalformedFrameError(f"a dispatch has {len(frame.sections)} sections")
        section, *row_sections = frame.sections
        if section.nbytes == 0 or section.nbytes % _BYTES_OF_ASSIGNMENT:
            raise MalformedFrameError(
                f"a dispatch has {section.nbytes} bytes of numbers; each of its assignments has a row, an "
                f"expert and a weight, of four bytes each"
            )
        numbers = np.frombuffer(section, _NUMBER).reshape(3, -1)
        last = np.maximum.reduce(numbers[0].view(np.uint32))  # a number below zero is a large one here
        if last >= min(num_rows, 1 << 31):
            raise MalformedFrameError(
                f"a dispatch of {num_rows} rows names the rows {numbers[0].min()} to {numbers[0].max()}"
            )
        return cls(
            source,
            number,
            layer,
            epoch,
            row_format,
            combine,
            num_rows,
            row_sections,
            numbers,
        )


class Reply(NamedTuple):
    """What came of a dispatch: its rows, weighted, in the order of its assignments (or summed by row)."""

    number: int
    compute_us: int
    row_format: RowFormat
    row_sections: Sequence[memoryview]
    address: int | None = None  # of the first section, where it was not hard to say

    def encode(self) -> bytes:
        fields = (self.number, self.compute_us, int(self.row_format))
        return encode(FrameKind.REPLY, fields, self.row_sections)

    @classmethod
    def of(cls, frame: Frame) -> "Reply":
        read = FieldReader(frame, FrameKind.REPLY)
        number, compute_us, row_format_number = read.last_naturals(3)
        row_format = row_format_numbered(row_format_number)
        if len(frame.sections) != num_sections(row_format):
            raise MalformedFrameError(f"a reply has {len(frame.sections)} sections")
        return cls(number, compute_us, row_format, frame.sections, frame.address)


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


_BYTES_OF_ASSIGNMENT = 12
_NUMBER = np.dtype("<i4")
_NUMBER_TO_MODE = {int(mode): mode for mode in CombineMode}
_REASONS = frozenset(RefusalReason)
