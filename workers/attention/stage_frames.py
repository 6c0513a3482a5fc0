"""The frames between an attention worker and its stages: hidden states of a step's tokens, there and back.

A step carries all that the stage's layers need to know of its tokens: where they stand, and where their keys
and values lie. Pages are numbered alike in every stage.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kernels.attention import AttentionQueries
from kernels.paging import PageTable
from model.step_batch import LayerView, StepBatch
from protos.errors import MalformedFrameError
from router.field_reader import FieldReader
from router.frame import Frame, FrameKind, encode
from router.rows import bytes_of, exact_format, pack_rows, row_format_of, unpack_rows


class StageStep(NamedTuple):
    """Run the stage's layers on these tokens, and give back the rows that `batch.logit_rows` names."""

    source: str
    number: int
    session: int
    hidden: Tensor  # [tokens, hidden]
    batch: StepBatch  # its token ids are not needed, and do not travel

    def encode(self) -> bytes:
        batch = self.batch
        row_format = exact_format(self.hidden.dtype)
        fields = (
            self.source,
            self.number,
            self.session,
            int(row_format),
            *self.hidden.shape,
            _width(batch.full),
            _width(batch.sliding),
        )
        numbers = [bytes_of(tensor) for tensor in _numbers_of(batch)]
        return encode(FrameKind.STEP, fields, (*numbers, *pack_rows(self.hidden, row_format)))

    @classmethod
    def of(cls, frame: Frame) -> "StageStep":
        """In the memory of the host."""
        read = FieldReader(frame, FrameKind.STEP)
        source, number, session = read.text(), read.natural(), read.natural()
        row_format = row_format_of(read)
        num_tokens, hidden_size = read.natural(), read.natural()
        widths = read.natural(), read.natural()
        read.end()
        if len(frame.sections) != _NUM_NUMBERS + 1:
            raise MalformedFrameError(f"a step has {len(frame.sections)} sections")
        numbers = [_integers(section) for section in frame.sections[:_NUM_NUMBERS]]
        batch = _batch_of(numbers, num_tokens, widths)
        dtype = torch.bfloat16 if row_format is exact_format(torch.bfloat16) else torch.float32
        hidden = unpack_rows(frame.sections[_NUM_NUMBERS:], row_format, num_tokens, hidden_size, dtype)
        return cls(source, number, session, hidden, batch)

    def on(self, device: torch.device) -> "StageStep":
        if device.type == "cpu":
            return self
        numbers = [tensor.to(device) for tensor in _numbers_of(self.batch)]
        widths = (_width(self.batch.full), _width(self.batch.sliding))
        batch = _assembled(numbers, widths, self.batch.full.queries.num_single)
        return self._replace(hidden=self.hidden.to(device), batch=batch)


class Hidden(NamedTuple):
    """What came of a step: the rows that were wanted."""

    number: int
    rows: Tensor  # [wanted rows, hidden]

    def encode(self) -> bytes:
        row_format = exact_format(self.rows.dtype)
        fields = (self.number, int(row_format), *self.rows.shape)
        return encode(FrameKind.HIDDEN, fields, pack_rows(self.rows, row_format))

    @classmethod
    def of(cls, frame: Frame, dtype: torch.dtype) -> "Hidden":
        read = FieldReader(frame, FrameKind.HIDDEN)
        if len(frame.sections) != 1:
            raise MalformedFrameError(f"a stage has answered with {len(frame.sections)} sections")
        number, row_format = read.natural(), row_format_of(read)
        num_rows, hidden_size = read.natural(), read.natural()
        read.end()
        return cls(number, unpack_rows(frame.sections, row_format, num_rows, hidden_size, dtype))


_NUM_NUMBERS = 10


def _numbers_of(batch: StepBatch) -> Sequence[Tensor]:
    full, sliding = batch.full, batch.sliding
    return (
        batch.positions,
        full.queries.starts,
        full.queries.first_positions,
        *(
            tensor
            for view in (full, sliding)
            for tensor in (view.slots, view.queries.table.pages, view.queries.table.first_page)
        ),
        batch.logit_rows,
    )


def _batch_of(numbers: Sequence[Tensor], num_tokens: int, widths: tuple[int, int]) -> StepBatch:
    """Refuses numbers that do not belong together."""
    positions, starts, first_positions, *of_views, logit_rows = numbers
    num_sequences = len(first_positions)
    if not num_sequences or len(positions) != num_tokens or len(starts) != num_sequences + 1:
        raise MalformedFrameError(f"a step of {num_tokens} tokens does not add up")
    lengths = starts.diff()  # [sequences]
    if int(starts[0]) or int(starts[-1]) != num_tokens or int(lengths.min()) <= 0:
        raise MalformedFrameError(f"the sequences of a step are not {num_tokens} tokens together")
    if int(lengths.max()) > num_tokens:  # so that their sum has not run over
        raise MalformedFrameError(f"a sequence of a step has more than its {num_tokens} tokens")
    expected = torch.arange(num_tokens) + (first_positions - starts[:-1]).repeat_interleave(lengths)
    if not torch.equal(positions, expected):
        raise MalformedFrameError("the positions of a step do not follow each other")
    if len(logit_rows) and not 0 <= int(logit_rows.min()) <= int(logit_rows.max()) < num_tokens:
        raise MalformedFrameError(f"a step of {num_tokens} tokens wants rows beyond them")
    if bool((logit_rows.diff() <= 0).any()):
        raise MalformedFrameError("the rows that a step wants do not rise")
    for width, (slots, pages, first_page) in zip(widths, (of_views[:3], of_views[3:]), strict=True):
        if (
            len(slots) != num_tokens
            or len(first_page) != num_sequences
            or len(pages) != width * num_sequences
        ):
            raise MalformedFrameError(f"a step's page tables are not for {num_sequences} sequences")
    num_single = int((lengths == 1).cumprod(0).sum())  # those before the first that is longer
    return _assembled(numbers, widths, num_single)


def _assembled(numbers: Sequence[Tensor], widths: tuple[int, int], num_single: int) -> StepBatch:
    """The inverse of `_numbers_of`."""
    positions, starts, first_positions, *of_views, logit_rows = numbers

    def view(width: int, slots: Tensor, pages: Tensor, first_page: Tensor) -> LayerView:
        table = PageTable(pages.view(len(first_positions), width), first_page)
        return LayerView(slots, AttentionQueries(starts, first_positions, table, num_single))

    full, sliding = view(widths[0], *of_views[:3]), view(widths[1], *of_views[3:])
    return StepBatch(positions, positions, full, sliding, logit_rows)


def _width(view: LayerView) -> int:
    """Of its page table."""
    return view.queries.table.pages.shape[1]


def _integers(section: memoryview) -> Tensor:
    if section.nbytes % 8:
        raise MalformedFrameError(f"a section of integers has {section.nbytes} bytes")
    return torch.from_numpy(np.frombuffer(section, dtype="<i8").copy())
