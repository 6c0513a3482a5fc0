"""A model with compact matrices: the same logits, to the last bit, in the memory of the weights it was given."""

from dataclasses import replace

import pytest
import torch

from kernels.compact import CompactMatrix, stored
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from model.compact_weights import compact_weights
from model.determinism import row_tile_holds
from model.dummy import dummy_weights
from model.local_model import LocalModel
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from tests.kernels.cpu.paths import kernels_or_skip
from tests.model.runner import random_tokens
from tests.model.tiny_model import TINY

WIDE = replace(TINY, hidden_size=192, head_dim=32, num_query_heads=4)  # whole lines of inputs


@pytest.fixture(params=[CpuPath.AVX512, CpuPath.AVX2])
def settings(request: pytest.FixtureRequest) -> CpuKernelSettings:
    kernels_or_skip(request.param)
    return CpuKernelSettings(request.param)


def logits_of(model: LocalModel) -> torch.Tensor:
    pages = SequencePages(PagePool(6), 16, WIDE.sliding_window)
    pages.make_room(30)
    batch = StepBatch.build([SequenceChunk(random_tokens(30, WIDE), 0, pages, LogitsWanted.ALL)])
    return model.forward_pass.forward(batch, model.allocate_cache(6, 16))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("deterministic", [False, True])
def test_the_same_bits(settings: CpuKernelSettings, dtype: torch.dtype, deterministic: bool) -> None:
    plain = LocalModel.of(WIDE, dummy_weights(WIDE, 5, dtype=dtype), cpu_kernels=settings)
    model = LocalModel.of(
        WIDE,
        dummy_weights(WIDE, 5, dtype=dtype),
        deterministic=deterministic,
        cpu_kernels=settings,
        arrange=True,
    )
    assert torch.equal(logits_of(model), logits_of(plain))
    assert model.row_tile == (1 if deterministic else None)
    assert not model.is_arranged, "which is for a GPU's experts"


def test_every_dense_matrix_is_compact(settings: CpuKernelSettings) -> None:
    given = dummy_weights(WIDE, 5)
    weights = compact_weights(dummy_weights(WIDE, 5), settings)
    assert given.unembedding is not None
    assert weights.unembedding is not None
    pairs = [(weights.unembedding.projection, given.unembedding.projection)]
    for layer, held in weights.attention.items():
        before = given.attention[layer]
        pairs += [
            (getattr(held, name).weight, getattr(before, name).weight) for name in ("qkv", "output", "gate")
        ]
    for made, matrix in pairs:
        assert isinstance(made, CompactMatrix)
        assert torch.equal(stored(made), stored(matrix))


def test_compact_matrices_hold_in_any_tile(settings: CpuKernelSettings) -> None:
    """What another process found for stored ones: rows here never depend on their company."""
    weights = compact_weights(dummy_weights(WIDE, 5, dtype=torch.float32), settings)
    assert row_tile_holds(1, WIDE, weights)


def test_an_end_that_is_not_here() -> None:
    weights = replace(dummy_weights(WIDE, 5), unembedding=None, attention={})
    assert compact_weights(weights, CpuKernelSettings()) == weights
