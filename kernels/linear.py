"""Dense linear layer: y = x Wᵀ + b, and the meaning of `row_tile` on this floor.

A matrix library picks its algorithm, and so the order of its additions, by the number of rows. With
`row_tile=None` the rows go to it as they are: fastest, but a row's last bits may change with its company.
With `row_tile=n` the library only ever sees n rows (the last tile is padded with zeros), so a row's result
depends on that row alone, provided that its place within the tile does not matter either; that is
proven for the machine at hand by `rows_are_equal_in_a_tile` before anyone relies on it.
"""

import torch
from torch import Tensor
from torch.nn import functional


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, row_tile: int | None = None) -> Tensor:
    """x: [rows, in], weight: [out, in], bias: [out] -> [rows, out]."""
    if row_tile is None:
        return functional.linear(x, weight, bias)
    tiles = torch.split(pad_rows(x, row_tile), row_tile)  # each [row_tile, in]
    return torch.cat([functional.linear(tile, weight, bias) for tile in tiles])[: x.shape[0]]


def pad_rows(x: Tensor, multiple: int) -> Tensor:
    """x: [rows, …] -> the same with zero rows appended up to a multiple, in memory of its own."""
    rows = x.shape[0]
    padded_rows = -(-rows // multiple) * multiple
    padded = x.new_zeros(padded_rows, *x.shape[1:])
    padded[:rows] = x
    return padded


def rows_are_equal_in_a_tile(weight: Tensor, row_tile: int) -> bool:
    """Whether this machine's library computes equal rows of one tile to equal bits. weight: [out, in]."""
    generator = torch.Generator(device="cpu").manual_seed(weight.shape[0] * 31 + weight.shape[1])
    row = torch.randn(weight.shape[1], generator=generator).to(weight)  # [in]
    rows = row.expand(row_tile, -1).contiguous()  # [row_tile, in]
    biases = (None, weight[:, 0].contiguous())  # the library has a way of its own for each
    results = [functional.linear(rows, weight, bias) for bias in biases]  # each [row_tile, out]
    return all(bool((result == result[0]).all()) for result in results)
