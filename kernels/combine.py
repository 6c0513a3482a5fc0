"""Combine: the sum of a token's expert rows, in slot order, in float32.

The fixed order makes the sum the same to the last bit however the experts were spread over workers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.cpu.library import load_cpu_kernels
from kernels.cpu.numbers import can_read
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.device import takes_gpu_kernels


class RowPiece(NamedTuple):
    """Rows that came together: row i is for place `places[i]`, which is token · top_k + slot."""

    places: NDArray[np.int64]  # [rows], rising
    rows: memoryview  # [rows * hidden] values
    address: int | None = None  # of the rows, where it was not hard to say


def combine(rows: Tensor, cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS) -> Tensor:
    """rows: [tokens, top_k, hidden] -> [tokens, hidden] in the rows' dtype."""
    if takes_gpu_kernels(rows):
        from kernels.gpu import combine as on_gpu

        return on_gpu.combine(rows)
    kernels = load_cpu_kernels(cpu_kernels) if can_read(rows) and rows.is_contiguous() else None
    return combine_reference(rows) if kernels is None else kernels.combine(rows)


def combine_reference(rows: Tensor) -> Tensor:
    """The definition, on every device."""
    first, *others = rows.unbind(1)
    total = first.to(torch.float32, copy=True)  # [tokens, hidden]
    for slot in others:
        total += slot
    return total.to(rows.dtype)


def combine_pieces(
    pieces: Sequence[RowPiece],
    shape: tuple[int, int, int],
    dtype: torch.dtype,
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
    total: Tensor | None = None,
) -> Tensor:
    """The same of rows that lie in pieces, which hold every place once; shape: tokens, top_k, hidden.

    -> [tokens, hidden] on the CPU; `total` itself, if it is there already. Each row is read where it lies.
    """
    kernels = load_cpu_kernels(cpu_kernels)
    if kernels is None or not kernels.takes(dtype):
        result = combine_pieces_reference(pieces, shape, dtype)
        return result if total is None else total.copy_(result)
    width = shape[2] * dtype.itemsize
    num_rows = 0
    for piece in pieces:
        num_rows += len(piece.places)
        assert piece.rows.nbytes == len(piece.places) * width, "a piece has not as many rows as places"
    assert num_rows == shape[0] * shape[1], "a place has no row, or two"
    addresses = [piece.address or _address_of(piece.rows) for piece in pieces]
    if total is None:
        total = torch.empty((shape[0], shape[2]), dtype=dtype)
    kernels.combine_pieces(addresses, [piece.places.tobytes() for piece in pieces], shape[1], total)
    return total


def combine_pieces_reference(
    pieces: Sequence[RowPiece], shape: tuple[int, int, int], dtype: torch.dtype
) -> Tensor:
    """The definition: all rows put into their places, then `combine_reference`."""
    rows = torch.empty(shape, dtype=dtype)
    width = shape[2] * dtype.itemsize
    places = rows.view(torch.uint8).view(-1, width).numpy()  # [tokens * top_k, width]
    for piece in pieces:
        places[piece.places] = np.frombuffer(piece.rows, dtype=np.uint8).reshape(-1, width)
    return combine_reference(rows)


def _address_of(rows: memoryview) -> int:
    address: int = np.frombuffer(rows, np.uint8).ctypes.data
    return address
