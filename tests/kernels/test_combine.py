import numpy as np
import pytest
import torch

from kernels.combine import RowPiece, combine, combine_pieces, combine_pieces_reference, combine_reference
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from tests.kernels.cpu.paths import BUILT_PATHS, kernels_or_skip

BITS = {torch.float32: torch.int32, torch.bfloat16: torch.int16}


def test_slots_are_added_in_order_in_float32() -> None:
    # 2^24 + 1 is lost in float32; in another order it would not be.
    rows = torch.tensor([[[2.0**24], [1.0], [-(2.0**24)]], [[2.0**24], [-(2.0**24)], [1.0]]])
    assert combine(rows).tolist() == [[0.0], [1.0]]


def test_bfloat16_rows_are_rounded_once() -> None:
    rows = torch.randn(5, 4, 33).bfloat16()
    assert torch.equal(combine(rows), rows.double().sum(dim=1).float().bfloat16())


def pieces_of(rows: torch.Tensor, num_pieces: int) -> list[RowPiece]:
    """rows: [tokens, top_k, hidden], dealt out like cards."""
    flat = rows.flatten(0, 1)  # [tokens * top_k, hidden]
    dealt = [np.arange(first, len(flat), num_pieces) for first in range(num_pieces)]
    return [
        RowPiece(places, flat[torch.from_numpy(places)].view(torch.uint8).numpy().data.cast("B"))
        for places in dealt
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_pieces", [1, 3])
@pytest.mark.parametrize("path", BUILT_PATHS)
def test_rows_in_pieces_give_the_same_bits_as_rows_in_one(
    path: CpuPath, num_pieces: int, dtype: torch.dtype
) -> None:
    rows = (torch.randn(5, 3, 1100) * 2.0 ** torch.randint(-20, 20, (5, 3, 1))).to(dtype)
    rows[1, 2, 7] = torch.nan
    rows[4, 0, 1099] = torch.inf
    expected = combine_reference(rows)
    pieces = pieces_of(rows, num_pieces)
    kernels_or_skip(path)
    in_one = combine(rows, CpuKernelSettings(path))
    built = combine_pieces(pieces, (5, 3, 1100), dtype, CpuKernelSettings(path))
    total = torch.empty(5, 1100, dtype=dtype)
    settings = [CpuKernelSettings(each) for each in (path, CpuPath.REFERENCE)]
    into = [combine_pieces(pieces, (5, 3, 1100), dtype, each, total).clone() for each in settings]
    for each in (combine_pieces_reference(pieces, (5, 3, 1100), dtype), in_one, built, *into):
        assert torch.equal(each.isnan(), expected.isnan())
        assert torch.equal(each.nan_to_num().view(BITS[dtype]), expected.nan_to_num().view(BITS[dtype]))


def test_many_tokens_are_spread_over_threads_with_the_same_bits() -> None:
    rows = torch.randn(300, 4, 1000)  # four threads' worth
    assert torch.equal(combine(rows), combine_reference(rows))
    turned = rows.transpose(0, 1).contiguous().transpose(0, 1)
    assert torch.equal(combine(turned), combine_reference(rows))
