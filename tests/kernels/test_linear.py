import pytest
import torch

from kernels.linear import linear, linear_reference, pad_rows, rows_are_equal_in_a_tile


@pytest.mark.parametrize("num_rows", [0, 1, 7, 8, 9, 33])
@pytest.mark.parametrize("with_bias", [True, False])
def test_tiles_give_the_same_numbers(num_rows: int, with_bias: bool) -> None:
    x, weight = torch.randn(num_rows, 48), torch.randn(21, 48)
    bias = torch.randn(21) if with_bias else None
    whole, tiled = linear(x, weight, bias), linear(x, weight, bias, row_tile=8)
    assert tiled.shape == (num_rows, 21)
    assert torch.allclose(whole, tiled, atol=2e-5)  # 48 float32 products in two orders


def test_padding_is_zero_and_the_rows_are_kept() -> None:
    x = torch.randn(5, 3)
    padded = pad_rows(x, 4)
    assert padded.shape == (8, 3)
    assert torch.equal(padded[:5], x)
    assert not padded[5:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_proven_tile_hides_a_row_s_company(dtype: torch.dtype) -> None:
    weight, bias, row = (
        torch.randn(131, 160).to(dtype),
        torch.randn(131).to(dtype),
        torch.randn(160).to(dtype),
    )
    row_tile = next(tile for tile in (16, 8, 4, 2, 1) if rows_are_equal_in_a_tile(weight, tile, dtype))
    alone = linear_reference(row[None], weight, bias, row_tile)[0]
    for num_rows in range(1, 40, 3):
        company = torch.randn(num_rows, 160).to(dtype)
        place = num_rows // 2
        company[place] = row
        assert torch.equal(linear_reference(company, weight, bias, row_tile)[place], alone)


def test_one_row_at_a_time_is_always_proven() -> None:
    assert rows_are_equal_in_a_tile(torch.randn(7, 5), 1, torch.float32)
