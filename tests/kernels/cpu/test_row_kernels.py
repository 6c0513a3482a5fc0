"""Norm, rotation and routing in the library against their references, and a row's bits in any company."""

import pytest
import torch

from kernels.cpu.library import CpuKernels
from kernels.cpu.row_kernels import RowKernels, row_kernels_for
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from kernels.paging import PagedKeysValues
from kernels.rope import RotaryTable
from kernels.rotate_store import rotate_and_store_reference
from kernels.route import route_reference

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
HEADS, KV_HEADS, HEAD_DIM = 6, 2, 10


@pytest.fixture
def row_kernels(kernels: CpuKernels) -> RowKernels:
    found = row_kernels_for(CpuKernelSettings(kernels.path))
    assert found is not None
    return found


@DTYPES
@pytest.mark.parametrize(("num_rows", "width"), [(1, 2880), (3, 7), (41, 333), (300, 400)])
def test_norms(row_kernels: RowKernels, num_rows: int, width: int, dtype: torch.dtype) -> None:
    x, delta = torch.randn(num_rows, width).to(dtype) * 3, torch.randn(num_rows, width).to(dtype)
    scale = torch.randn(width).to(dtype)
    total, normed = row_kernels.add_rmsnorm(x, delta, scale, 1e-5)
    assert torch.equal(total, x + delta)
    assert torch.equal(normed, row_kernels.rmsnorm(total, scale, 1e-5))
    wide = total.double()
    exact = wide / (wide.square().mean(dim=1, keepdim=True) + 1e-5).sqrt() * scale.double()
    # The mean of squares has at most width / 16 + 5 roundings in a row, half of which show; then 4 products.
    relative = (width / 32 + 8) * 2.0**-24 if dtype is torch.float32 else 2.0**-8
    assert ((normed.double() - exact).abs() <= relative * exact.abs()).all()
    place = num_rows * 2 // 3
    assert torch.equal(row_kernels.rmsnorm(total[place : place + 1], scale, 1e-5)[0], normed[place])


@DTYPES
@pytest.mark.parametrize("num_tokens", [1, 3, 900])
def test_rotation_is_the_reference_s_to_the_bit(
    row_kernels: RowKernels, num_tokens: int, dtype: torch.dtype
) -> None:
    qkv = torch.randn(num_tokens, (HEADS + 2 * KV_HEADS) * HEAD_DIM).to(dtype)
    angle = torch.rand(9, HEAD_DIM // 2) * 6
    table, positions = RotaryTable(angle.cos(), angle.sin()), torch.randint(0, 9, (num_tokens,))
    slots = torch.randperm(920)[:num_tokens]
    shape = (230, 4, KV_HEADS, HEAD_DIM)
    mine, theirs = (
        PagedKeysValues(torch.full(shape, 7.0, dtype=dtype), torch.full(shape, 7.0, dtype=dtype))
        for _ in range(2)
    )
    query = row_kernels.rotate_and_store(qkv, table, positions, mine, slots)
    assert torch.equal(query, rotate_and_store_reference(qkv, table, positions, theirs, slots))
    assert torch.equal(mine.keys, theirs.keys)
    assert torch.equal(mine.values, theirs.values)


@pytest.mark.parametrize(("position", "slot"), [(9, 0), (-1, 0), (0, 12), (0, -1)])
def test_a_position_or_slot_that_is_not_there(row_kernels: RowKernels, position: int, slot: int) -> None:
    qkv, table = torch.randn(1, 100), RotaryTable(torch.rand(9, 5), torch.rand(9, 5))
    cache = PagedKeysValues(torch.zeros(4, 3, KV_HEADS, HEAD_DIM), torch.zeros(4, 3, KV_HEADS, HEAD_DIM))
    with pytest.raises(IndexError, match="a position that the model lacks, or a slot"):
        row_kernels.rotate_and_store(qkv, table, torch.tensor([position]), cache, torch.tensor([slot]))
    assert not cache.values.any()


@DTYPES
@pytest.mark.parametrize("top_k", [1, 4, 7])
def test_routes(row_kernels: RowKernels, top_k: int, dtype: torch.dtype) -> None:
    """Whole numbers make ties frequent; they go to the lower id."""
    for logits in (torch.randn(50, 7).to(dtype), torch.randint(-3, 3, (50, 7)).to(dtype)):
        expert_ids, weights = row_kernels.route(logits, top_k)
        wanted = route_reference(logits, top_k)
        assert torch.equal(expert_ids, wanted.expert_ids)
        assert torch.allclose(weights, wanted.weights, rtol=1e-6)  # exp, up to seven additions, a quotient


def test_routes_of_broken_logits_are_experts_that_are_there(row_kernels: RowKernels) -> None:
    logits = torch.tensor([[torch.nan] * 5, [-torch.inf] * 5, [1.0, torch.nan, torch.inf, 0.0, torch.nan]])
    expert_ids, _ = row_kernels.route(logits, 3)
    assert all(len(set(row)) == 3 and set(row) <= set(range(5)) for row in expert_ids.tolist())


def test_what_the_kernels_do_not_take_goes_to_the_reference() -> None:
    settings, x = CpuKernelSettings(CpuPath.FASTEST, compiler="no-such-compiler"), torch.zeros(2, 4)
    assert row_kernels_for(CpuKernelSettings(CpuPath.REFERENCE), x) is None
    assert row_kernels_for(settings, x) is None
    assert row_kernels_for(CpuKernelSettings(), x.T) is None
    assert row_kernels_for(CpuKernelSettings(), x.half()) is None
