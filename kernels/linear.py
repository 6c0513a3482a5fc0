"""Dense linear layer: y = x Wᵀ + b, and the meaning of `row_tile` on this floor.

On a CPU a bfloat16 matrix, compact or not, goes to `kernels/cpu`, whatever the dtype of the rows: there a
row's result depends on that row alone. Settings with int8 let it round the rows to bfloat16. Elsewhere a
matrix library picks its algorithm, and so the order of its additions, by the number of rows. With
`row_tile=None` the rows go to it as they are: fastest, but a row's last bits may change with its company.
With `row_tile=n` the library only ever sees n rows (the last tile is padded with zeros), so a row's result
depends on that row alone, provided that its place within the tile does not matter either; that is proven for
the machine at hand by `rows_are_equal_in_a_tile` before anyone relies on it.
"""

import torch
from torch import Tensor
from torch.nn import functional

from kernels.compact import Matrix, stored
from kernels.cpu.dense_kernels import dense_kernels_for
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings

_WIDENED_OUTS = 4096
"""Rows of a matrix that are widened at a time, so that it never lies in memory twice."""


def linear(
    x: Tensor,
    weight: Matrix,
    bias: Tensor | None,
    row_tile: int | None = None,
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
) -> Tensor:
    """x: [rows, in], weight: [out, in], bias: [out] -> [rows, out] in x's dtype."""
    kernels = dense_kernels_for(x, weight, bias, cpu_kernels)
    if kernels is not None:
        return kernels.linear(x, weight, bias)
    return linear_reference(x, stored(weight), bias, row_tile)


def linear_reference(x: Tensor, weight: Tensor, bias: Tensor | None, row_tile: int | None = None) -> Tensor:
    """The definition, on every device."""
    if row_tile is None:
        return _multiply(x, weight, bias)
    tiles = torch.split(pad_rows(x, row_tile), row_tile)  # each [row_tile, in]
    return torch.cat([_multiply(tile, weight, bias) for tile in tiles])[: x.shape[0]]


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if weight.dtype == x.dtype:
        return functional.linear(x, weight, bias)
    parts = [functional.linear(x, part.to(x.dtype)) for part in torch.split(weight, _WIDENED_OUTS)]
    product = torch.cat(parts, dim=1)  # [rows, out]
    return product if bias is None else product + bias.to(x.dtype)


def pad_rows(x: Tensor, multiple: int) -> Tensor:
    """x: [rows, …] -> the same with zero rows appended up to a multiple, in memory of its own."""
    rows = x.shape[0]
    padded_rows = -(-rows // multiple) * multiple
    padded = x.new_zeros(padded_rows, *x.shape[1:])
    padded[:rows] = x
    return padded


def rows_are_equal_in_a_tile(weight: Tensor, row_tile: int, dtype: torch.dtype) -> bool:
    """Whether this machine's library computes equal rows of one tile to equal bits. weight: [out, in].

    `dtype` is that of the rows.
    """
    generator = torch.Generator(device="cpu").manual_seed(weight.shape[0] * 31 + weight.shape[1])
    row = torch.randn(weight.shape[1], generator=generator).to(weight.device, dtype)  # [in]
    rows = row.expand(row_tile, -1).contiguous()  # [row_tile, in]
    biases = (None, weight[:, 0].to(dtype, copy=True))  # the library has a way of its own for each
    results = [_multiply(rows, weight, bias) for bias in biases]  # each [row_tile, out]
    return all(bool((result == result[0]).all()) for result in results)
