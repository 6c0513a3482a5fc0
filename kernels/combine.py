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
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.device import takes_gpu_kernels


class RowPiece(NamedTuple):
    """Rows that came together: row i is for place `places[i]`, which is token · top_k + slot."""

    places: NDArray[np.int64]  # [rows], rising
    rows: memoryview  # [rows * hidden] values


def combine(rows: Tensor) -> Tensor:
    """rows: [tokens, top_k, hidden] -> [tokens, hidden] in the rows' dtype."""
    if takes_gpu_kernels(rows):
        from kernels.gpu import combine as on_gpu

        return on_gpu.combine(rows)
    return combine_reference(rows)


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
) -> Tensor:
    """The same of rows that lie in pieces, which hold every place once; shape: tokens, top_k, hidden.

    -> [tokens, hidden] on the CPU. The kernel reads each row where it lies.
    """
    kernels = load_cpu_kernels(cpu_kernels)
    if kernels is not None and kernels.takes(dtype):
        return kernels.combine(_addresses(pieces, shape, dtype), shape, dtype)
    return combine_pieces_reference(pieces, shape, dtype)


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


def _addresses(
    pieces: Sequence[RowPiece], shape: tuple[int, int, int], dtype: torch.dtype
) -> NDArray[np.int64]:
    """-> [tokens * top_k] where each row begins"""
    num_tokens, top_k, hidden = shape
    width = hidden * dtype.itemsize
    addresses = [_addresses_of(piece, width) for piece in pieces]
    assert sum(map(len, addresses)) == num_tokens * top_k, "a place has no row, or two"
    if len(pieces) == 1:  # its places are all there are
        return addresses[0]
    result = np.empty(num_tokens * top_k, dtype=np.int64)
    for piece, places in zip(pieces, addresses, strict=True):
        result[piece.places] = places
    return result


def _addresses_of(piece: RowPiece, width: int) -> NDArray[np.int64]:
    num_bytes = piece.rows.nbytes
    assert num_bytes == len(piece.places) * width, "a piece has not as many rows as places"
    first = np.frombuffer(piece.rows, np.uint8).__array_interface__["data"][0]
    return np.arange(first, first + num_bytes, width)
