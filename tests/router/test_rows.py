"""Rows as bytes: exact to the last bit, and MXFP8 as the OCP microscaling specification (v1.0) defines it."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from protos.errors import MalformedFrameError
from router.field_reader import FieldReader
from router.frame import Frame, FrameKind
from router.rows import (
    RowFormat,
    check_rows,
    exact_format,
    exact_rows,
    num_bytes,
    num_sections,
    pack_rows,
    row_format_of,
    unpack_rows,
)

E4M3 = sorted(
    {
        *(mantissa / 8 * 2.0**-6 for mantissa in range(8)),
        *((1 + mantissa / 8) * 2.0 ** (exponent - 7) for exponent in range(1, 16) for mantissa in range(8)),
    }
)[:-1]
"""Every value from 0 on by its code; the last code is NaN. S.1111.110 is 448."""


def nearest_e4m3(value: float) -> float:
    """Ties to the even code, beyond the largest the largest, as 5.3.1 and 6.3 of the specification say."""
    magnitude = min(abs(value), E4M3[-1])
    code = min(range(len(E4M3)), key=lambda code: (abs(E4M3[code] - magnitude), code % 2))
    return math.copysign(E4M3[code], value)


def quantised(block: Sequence[float]) -> list[float]:
    """A block by section 6.3: the scale is the largest power of two in it, over that of E4M3's largest."""
    largest = max(map(abs, block))
    exponent = math.floor(math.log2(largest)) - 8 if largest else 0
    scale = 2.0 ** max(-127, min(127, exponent))
    return [nearest_e4m3(value / scale) * scale for value in block]


def there_and_back(rows: Tensor, row_format: RowFormat) -> Tensor:
    sections = pack_rows(rows, row_format)
    assert sum(section.nbytes for section in sections) == len(rows) * num_bytes(row_format, rows.shape[1])
    assert len(sections) == num_sections(row_format)
    num_rows, hidden = rows.shape
    check_rows(sections, row_format, num_rows, hidden)
    return unpack_rows(sections, row_format, num_rows, hidden, rows.dtype)


@pytest.mark.parametrize(("dtype", "bits"), [(torch.float32, torch.int32), (torch.bfloat16, torch.int16)])
def test_exact_rows_keep_every_bit(dtype: torch.dtype, bits: torch.dtype) -> None:
    rows = (torch.randn(3, 37) * 1e3).to(dtype)
    rows[1, :5] = torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0, 1e-40])
    row_format = exact_format(dtype)
    assert torch.equal(there_and_back(rows, row_format).view(bits), rows.view(bits))
    data = exact_rows(pack_rows(rows, row_format), row_format, 3, 37, dtype)
    assert bytes(data) == rows.view(torch.uint8).numpy().tobytes()


def test_rows_that_are_a_part_of_others_travel_alone() -> None:
    rows = torch.randn(4, 10)[:, :7]
    assert torch.equal(there_and_back(rows, RowFormat.FLOAT32), rows)


def test_rows_that_come_are_in_memory_of_their_own() -> None:
    sections = pack_rows(torch.ones(2, 5), RowFormat.FLOAT32)
    unpack_rows(sections, RowFormat.FLOAT32, 2, 5, torch.float32).zero_()
    assert torch.equal(unpack_rows(sections, RowFormat.FLOAT32, 2, 5, torch.float32), torch.ones(2, 5))


@pytest.mark.parametrize("scale", [1.0, 3e-38, 1e30, 2.0**127])
def test_mxfp8_is_what_the_specification_says(scale: float) -> None:
    rows = torch.randn(5, 70).clamp(-1.9, 1.9) * 2.0 ** torch.randint(-12, 1, (5, 70)) * scale
    rows[2, 32:64] = 0.0
    rows[3, 0] = -0.0
    expected = [
        [value for start in (0, 32, 64) for value in quantised(row[start : start + 32])]
        for row in rows.tolist()
    ]
    assert there_and_back(rows, RowFormat.MXFP8).tolist() == expected


def test_the_largest_subnormal_and_the_smallest_numbers_survive_or_vanish_as_the_specification_says() -> None:
    rows = torch.tensor([[2.0**-149, 2.0**-140, -(2.0**-136), 2.0**-127, 0.0]])
    assert there_and_back(rows, RowFormat.MXFP8).tolist() == [quantised(rows[0].tolist())]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_no_number_makes_its_block_none_and_no_other(bad: float) -> None:
    rows = torch.randn(2, 64)
    rows[1, 40] = bad
    found = there_and_back(rows, RowFormat.MXFP8)
    assert found[1, 32:].isnan().all()
    assert found[1, :32].isfinite().all()
    assert found[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mxfp8_errs_by_a_sixteenth_of_a_value_or_a_little_of_its_blocks_largest(dtype: torch.dtype) -> None:
    """Half a step: 1/16 of a normal value (3 bits of mantissa), and for smaller ones 2^-10 of the scale.

    A value that is cut to 448 was below 512: an eighth. bfloat16 holds every product of E4M3 and a power.
    """
    rows = torch.randn(50, 64).to(dtype)
    errors = (there_and_back(rows, RowFormat.MXFP8).float() - rows.float()).abs().view(50, 2, 32)
    magnitudes = rows.float().abs().view(50, 2, 32)
    largest = magnitudes.amax(dim=2, keepdim=True)
    scale = 2.0 ** (largest.log2().floor() - 8)
    cut = magnitudes > 448 * scale
    assert (errors <= torch.where(cut, magnitudes / 8, magnitudes / 16 + scale * 2.0**-10)).all()
    assert not (errors <= magnitudes / 32).all()  # the bound is not an idle one


def test_the_exponents_lie_behind_the_values_one_for_each_block() -> None:
    rows = torch.zeros(2, 33)
    rows[0, 0], rows[1, 32] = 1.0, 2.0**-3
    values, exponents = pack_rows(rows, RowFormat.MXFP8)
    assert values.nbytes == 66
    assert bytes(exponents)[::3] == bytes([127 - 8, 127 - 3 - 8])
    assert values[0] == values[65] == 0x78  # 2^8 in E4M3


@pytest.mark.parametrize("row_format", list(RowFormat))
def test_sections_of_another_length_are_refused(row_format: RowFormat) -> None:
    sections = pack_rows(
        torch.ones(3, 40).to(torch.bfloat16 if row_format is RowFormat.BFLOAT16 else None), row_format
    )
    for shape in ((2, 40), (4, 40), (3, 41), (0, 40), (2**63, 40)):
        with pytest.raises(MalformedFrameError, match="bytes"):
            check_rows(sections, row_format, *shape)
        with pytest.raises(MalformedFrameError, match="bytes"):
            unpack_rows(sections, row_format, *shape, torch.float32)


def test_sections_whose_lengths_only_add_up_are_refused() -> None:
    values, exponents = pack_rows(torch.ones(3, 40), RowFormat.MXFP8)
    whole = memoryview(bytes(values) + bytes(exponents))
    with pytest.raises(MalformedFrameError, match=r"\[119, 7\] bytes"):
        check_rows([whole[:119], whole[119:]], RowFormat.MXFP8, 3, 40)


def test_nothing_times_anything_is_refused() -> None:
    nothing = [memoryview(b"")]
    for shape in ((2**63, 0), (0, 2**63)):
        with pytest.raises(MalformedFrameError):
            unpack_rows(nothing, RowFormat.FLOAT32, *shape, torch.float32)


def test_a_frame_names_a_format_that_there_is() -> None:
    frame = Frame(FrameKind.REPLY, (2, 3), ())
    read = FieldReader(frame, FrameKind.REPLY)
    assert row_format_of(read) is RowFormat.MXFP8
    with pytest.raises(MalformedFrameError, match="row format 3"):
        row_format_of(read)


@pytest.mark.parametrize("row_format", [RowFormat.FLOAT32, RowFormat.BFLOAT16])
def test_no_rows_are_rows_too(row_format: RowFormat) -> None:
    """What a stage answers where no token of a step wants logits."""
    dtype = torch.bfloat16 if row_format is RowFormat.BFLOAT16 else torch.float32
    sections = [memoryview(section) for section in pack_rows(torch.empty(0, 64, dtype=dtype), row_format)]
    found = unpack_rows(sections, row_format, 0, 64, dtype)
    assert (found.shape, found.dtype) == ((0, 64), dtype)
