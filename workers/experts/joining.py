"""Experts of a layer joined with others, or some of them chosen: copies, whatever order their bits are in.

Called by the shard, which is made anew whenever experts come or go.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.gpu.expert_layout import ArrangedMatrix
from kernels.mxfp4 import PackedMatrix
from model.experts import HeldExperts, HeldMatrices

Matrix = PackedMatrix | ArrangedMatrix


@dataclass(frozen=True, slots=True)
class JoinedMatrices:
    """One linear layer of some experts."""

    packed: Matrix
    bias: Tensor  # [experts, out]


@dataclass(frozen=True, slots=True)
class JoinedExperts:
    """Some experts of one layer; row i of every tensor belongs to `expert_ids[i]`."""

    expert_ids: tuple[int, ...]
    gate_up: JoinedMatrices
    down: JoinedMatrices


def join(first: HeldExperts, second: HeldExperts) -> JoinedExperts:
    """Both must have their bits in the same order."""

    def matrices(one: HeldMatrices, other: HeldMatrices) -> JoinedMatrices:
        assert type(one.packed) is type(other.packed), "one half is in a GPU's order, the other is not"
        parts = [torch.cat(pair) for pair in zip(_parts(one.packed), _parts(other.packed), strict=True)]
        return JoinedMatrices(_like(one.packed, parts), torch.cat((one.bias, other.bias)))

    return JoinedExperts(
        first.expert_ids + second.expert_ids,
        matrices(first.gate_up, second.gate_up),
        matrices(first.down, second.down),
    )


def choose(held: HeldExperts, expert_ids: Sequence[int], places: Tensor) -> JoinedExperts:
    """places: [chosen experts] where they lie"""

    def matrices(all_of_them: HeldMatrices) -> JoinedMatrices:
        where = places.to(all_of_them.bias.device)
        parts = [part[where] for part in _parts(all_of_them.packed)]
        return JoinedMatrices(_like(all_of_them.packed, parts), all_of_them.bias[where])

    return JoinedExperts(tuple(expert_ids), matrices(held.gate_up), matrices(held.down))


def num_bytes(held: HeldExperts) -> int:
    tensors = [
        tensor
        for matrices in (held.gate_up, held.down)
        for tensor in (*_parts(matrices.packed), matrices.bias)
    ]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _parts(matrix: Matrix) -> tuple[Tensor, Tensor]:
    if isinstance(matrix, ArrangedMatrix):
        return matrix.words, matrix.scales
    return matrix.blocks, matrix.scales


def _like(matrix: Matrix, parts: Sequence[Tensor]) -> Matrix:
    return type(matrix)(*parts)
