"""Rows of activations as bytes, and bytes as rows: exact, or in MXFP8 at about half of bfloat16.

MXFP8 is the open standard's, and `kernels.mxfp8` says what it does to a row. Not here: frames. Called by both
ends of a stream.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from kernels import mxfp8
from protos.errors import MalformedFrameError
from router.field_reader import FieldReader

_MOST_IN_A_SHAPE = 1 << 40  # nothing times anything fits into no bytes


class RowFormat(IntEnum):
    """How rows travel; the numbers are the wire's."""

    FLOAT32 = 0
    BFLOAT16 = 1
    MXFP8 = 2


_FORMAT_TO_DTYPE = {RowFormat.FLOAT32: torch.float32, RowFormat.BFLOAT16: torch.bfloat16}
_NUMBER_TO_FORMAT = {int(row_format): row_format for row_format in RowFormat}
_FORMAT_TO_BYTES = {row_format: dtype.itemsize for row_format, dtype in _FORMAT_TO_DTYPE.items()}  # a value
_DTYPE_TO_FORMAT = {dtype: row_format for row_format, dtype in _FORMAT_TO_DTYPE.items()}


def row_format_of(read: FieldReader) -> RowFormat:
    """The next field of a frame."""
    return row_format_numbered(read.natural())


def row_format_numbered(number: int) -> RowFormat:
    row_format = _NUMBER_TO_FORMAT.get(number)
    if row_format is None:
        raise MalformedFrameError(f"row format {number} does not exist")
    return row_format


def exact_format(dtype: torch.dtype) -> RowFormat:
    """The format that keeps every bit of activations of this type."""
    return _DTYPE_TO_FORMAT[dtype]


def bytes_of(tensor: Tensor) -> memoryview:
    """Of a tensor of any type, shape and device, also an empty one."""
    return tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data


def num_bytes(row_format: RowFormat, hidden: int) -> int:
    """Of one row on the wire."""
    of_value = _FORMAT_TO_BYTES.get(row_format)
    return sum(_widths(row_format, hidden)) if of_value is None else of_value * hidden


def pack_rows(rows: Tensor, row_format: RowFormat) -> list[memoryview]:
    """rows: [rows, hidden] contiguous, on any device -> the sections of a frame."""
    if row_format is RowFormat.MXFP8:
        values, exponents = mxfp8.pack(rows)
        return [bytes_of(values), bytes_of(exponents)]
    assert _FORMAT_TO_DTYPE[row_format] == rows.dtype, "rows travel as they are, or in MXFP8"
    return [bytes_of(rows)]


def unpack_rows(
    sections: Sequence[memoryview], row_format: RowFormat, num_rows: int, hidden: int, dtype: torch.dtype
) -> Tensor:
    """-> [rows, hidden] in `dtype`, on the CPU, in memory of its own."""
    if row_format is RowFormat.MXFP8:
        values, exponents = (
            _matrix(sections[0], num_rows, hidden),
            _matrix(sections[1], num_rows, -(-hidden // mxfp8.BLOCK)),
        )
        return mxfp8.unpack(values.view(torch.float8_e4m3fn), exponents, dtype)
    exact = _FORMAT_TO_DTYPE[row_format]
    return _matrix(sections[0], num_rows, hidden * exact.itemsize).view(exact).to(dtype)


def check_rows(sections: Sequence[memoryview], row_format: RowFormat, num_rows: int, hidden: int) -> None:
    """Raises MalformedFrameError where the sections are not as long as so many rows."""
    of_value = _FORMAT_TO_BYTES.get(row_format)
    if of_value is not None and len(sections) == 1 and sections[0].nbytes == num_rows * hidden * of_value:
        return  # as nearly always
    widths = _widths(row_format, hidden)
    found = [section.nbytes for section in sections]
    if found != [num_rows * width for width in widths]:
        raise MalformedFrameError(
            f"sections of {found} bytes have come, and {num_rows} rows of "
            f"{hidden} values in {row_format.name} are {[num_rows * width for width in widths]}"
        )


def exact_rows(
    sections: Sequence[memoryview], row_format: RowFormat, num_rows: int, hidden: int, dtype: torch.dtype
) -> memoryview:
    """The bytes of [rows, hidden] in `dtype`: those that came, where they came as they are."""
    if row_format is RowFormat.MXFP8:
        return bytes_of(unpack_rows(sections, row_format, num_rows, hidden, dtype))
    return sections[0]


def num_sections(row_format: RowFormat) -> int:
    return 2 if row_format is RowFormat.MXFP8 else 1


def _widths(row_format: RowFormat, hidden: int) -> tuple[int, ...]:
    """Bytes of a row in each section."""
    if row_format is RowFormat.MXFP8:
        return hidden, -(-hidden // mxfp8.BLOCK)
    return (_FORMAT_TO_BYTES[row_format] * hidden,)


def _matrix(section: memoryview, num_rows: int, width: int) -> Tensor:
    """A copy: torch has no tensors that must not be written to. [rows, width] uint8"""
    if section.nbytes != num_rows * width or max(num_rows, width) > _MOST_IN_A_SHAPE:
        raise MalformedFrameError(
            f"a section has {section.nbytes} bytes; {num_rows} rows of {width} bytes were announced"
        )
    matrix = torch.empty(num_rows, width, dtype=torch.uint8)
    matrix.numpy()[:] = np.frombuffer(section, dtype=np.uint8).reshape(num_rows, width)
    return matrix
