"""Experts joined and chosen: the same in a checkpoint's order and in a GPU's."""

import pytest
import torch

from kernels.gpu.expert_layout import ArrangedMatrix, checkpoint_order
from model.experts import HeldExperts
from model.gpu_experts import arrange_experts
from tests.workers.experts.shards import load
from workers.experts.joining import choose, join, num_bytes


def held(expert_ids: tuple[int, ...], *, arranged: bool) -> HeldExperts:
    experts = load({0: expert_ids})
    return arrange_experts(experts)[0] if arranged else experts[0]


def bytes_of(experts: HeldExperts) -> list[torch.Tensor]:
    """Every tensor, in a checkpoint's order."""
    tensors = []
    for matrices, in_pairs in ((experts.gate_up, True), (experts.down, False)):
        packed = matrices.packed
        if isinstance(packed, ArrangedMatrix):
            packed = checkpoint_order(packed, in_pairs=in_pairs)
        tensors += [packed.blocks, packed.scales, matrices.bias]
    return tensors


@pytest.mark.parametrize("arranged", [False, True])
def test_join_and_choose(arranged: bool) -> None:
    joined = join(held((5, 1), arranged=arranged), held((3, 0, 6), arranged=arranged))
    assert joined.expert_ids == (5, 1, 3, 0, 6)
    chosen = choose(joined, (6, 1), torch.tensor([4, 1]))
    assert chosen.expert_ids == (6, 1)
    for experts in (joined, chosen):
        fresh = held(experts.expert_ids, arranged=False)
        assert all(map(torch.equal, bytes_of(experts), bytes_of(fresh)))


def test_bytes_are_those_of_every_tensor() -> None:
    plain, arranged = held((2, 4), arranged=False), held((2, 4), arranged=True)
    assert num_bytes(plain) == sum(tensor.nbytes for tensor in bytes_of(plain))
    assert num_bytes(plain) < num_bytes(arranged) < 1.1 * num_bytes(plain)  # scales are padded to fours


def test_the_two_orders_do_not_mix() -> None:
    with pytest.raises(AssertionError, match="a GPU's order"):
        join(held((5,), arranged=True), held((1,), arranged=False))
