"""The kernels that go row by row, interpreted, against the references."""

import pytest
import torch
from torch import Tensor

from kernels.combine import combine_reference
from kernels.gpu.combine import combine_launch
from kernels.gpu.rmsnorm import add_rmsnorm, rmsnorm_launch
from kernels.gpu.rotate_store import rotate_store_launch
from kernels.gpu.route import route_launch
from kernels.paging import PagedKeysValues
from kernels.rmsnorm import rmsnorm_reference
from kernels.rope import RotaryTable
from kernels.rotate_store import rotate_and_store_reference
from kernels.route import route_reference


def poisoned(*shape: int) -> Tensor:
    return torch.full(shape, torch.nan)


@pytest.mark.parametrize(("num_rows", "hidden"), [(1, 2880), (5, 96), (3, 7)])
def test_rmsnorm(num_rows: int, hidden: int) -> None:
    x, scale = torch.randn(num_rows, hidden) * 3, torch.randn(hidden)
    normed = poisoned(num_rows, hidden)
    rmsnorm_launch(x, None, scale, 1e-5, normed, normed).run()
    expected = rmsnorm_reference(x.double(), scale.double(), 1e-5)
    assert torch.allclose(normed.double(), expected.double(), rtol=1e-5, atol=1e-6)  # a float32 mean


def test_rmsnorm_behind_a_sum_in_bfloat16() -> None:
    x, delta, scale = (
        torch.randn(4, 96).bfloat16(),
        torch.randn(4, 96).bfloat16(),
        torch.randn(96).bfloat16(),
    )
    total, normed = add_rmsnorm(x, delta, scale, 1e-5)
    assert total.dtype == normed.dtype == torch.bfloat16
    # The interpreter cuts off where a GPU rounds: one unit in the last of 8 bits.
    assert torch.allclose(total.float(), x.float() + delta.float(), rtol=2**-7, atol=0)
    expected = rmsnorm_reference(total.float(), scale.float(), 1e-5)
    assert torch.allclose(normed.float(), expected, rtol=2**-7, atol=1e-6)


@pytest.mark.parametrize(("num_tokens", "top_k", "hidden"), [(1, 4, 2880), (6, 3, 70), (2, 1, 5)])
def test_combine(num_tokens: int, top_k: int, hidden: int) -> None:
    rows = torch.randn(num_tokens, top_k, hidden)
    total = poisoned(num_tokens, hidden)
    combine_launch(rows, total).run()
    assert torch.equal(total, combine_reference(rows))  # the same additions in the same order


@pytest.mark.parametrize(
    ("num_tokens", "num_experts", "top_k"), [(1, 32, 4), (9, 128, 4), (5, 6, 3), (3, 1, 1)]
)
def test_route(num_tokens: int, num_experts: int, top_k: int) -> None:
    logits = torch.randn(num_tokens, num_experts) * 2
    logits[0, : num_experts // 2] = 1.0  # equals: the lower id comes first
    expert_ids, weights = torch.full((num_tokens, top_k), -7), poisoned(num_tokens, top_k)
    route_launch(logits, expert_ids, weights).run()
    expected = route_reference(logits, top_k)
    assert torch.equal(expert_ids, expected.expert_ids)
    assert torch.allclose(weights, expected.weights, rtol=1e-6, atol=1e-7)


def test_a_token_of_no_numbers_has_experts_and_no_weights() -> None:
    logits = torch.randn(3, 12)
    logits[1], logits[2, 7] = torch.nan, -torch.inf
    expert_ids, weights = torch.full((3, 4), -7), torch.zeros(3, 4)
    route_launch(logits, expert_ids, weights).run()
    assert expert_ids[1].tolist() == [0, 1, 2, 3]
    assert weights[1].isnan().all()
    expected = route_reference(logits[[0, 2]], 4)
    assert torch.equal(expert_ids[[0, 2]], expected.expert_ids)
    assert torch.allclose(weights[[0, 2]], expected.weights)


@pytest.mark.parametrize(
    ("num_tokens", "heads", "kv_heads", "head_dim"), [(1, 64, 8, 64), (5, 6, 3, 10), (3, 4, 4, 16)]
)
def test_rotate_and_store(num_tokens: int, heads: int, kv_heads: int, head_dim: int) -> None:
    qkv = torch.randn(num_tokens, (heads + 2 * kv_heads) * head_dim)
    angle = torch.rand(40, head_dim // 2) * 6
    table = RotaryTable(angle.cos(), angle.sin())
    positions = torch.randint(0, 40, (num_tokens,))
    slots = torch.randperm(7 * 4)[:num_tokens]

    def empty_cache() -> PagedKeysValues:
        return PagedKeysValues(poisoned(7, 4, kv_heads, head_dim), poisoned(7, 4, kv_heads, head_dim))

    found, expected = empty_cache(), empty_cache()
    query = poisoned(num_tokens, heads, head_dim)
    rotate_store_launch(qkv, table, positions, found, slots, query).run()
    wanted = rotate_and_store_reference(qkv, table, positions, expected, slots)
    assert torch.allclose(query, wanted, atol=1e-6)
    # What was not written stays as it was.
    assert torch.allclose(found.keys, expected.keys, atol=1e-6, equal_nan=True)
    assert torch.equal(found.values.nan_to_num(9e9), expected.values.nan_to_num(9e9))
