"""A model with compact matrices: the same logits, to the last bit, in the memory of its weights."""

from dataclasses import replace

import pytest
import torch

from kernels.compact import CompactMatrix, Matrix, stored
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from model.compact_weights import compact_weights
from model.determinism import CANDIDATES, row_tile_holds
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


def logits_of(model: LocalModel, tokens: list[int]) -> torch.Tensor:
    pages = SequencePages(PagePool(6), 16, WIDE.sliding_window)
    pages.make_room(len(tokens))
    batch = StepBatch.build([SequenceChunk(tokens, 0, pages, LogitsWanted.ALL)])
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
        compact=True,
    )
    tokens = random_tokens(30, WIDE)
    assert torch.equal(logits_of(model, tokens), logits_of(plain, tokens))
    assert model.row_tile == (1 if deterministic else None)


def test_every_dense_matrix_is_compact(settings: CpuKernelSettings) -> None:
    given = dummy_weights(WIDE, 5)
    weights = compact_weights(dummy_weights(WIDE, 5), settings)
    assert given.unembedding is not None
    assert weights.unembedding is not None
    pairs: list[tuple[Matrix, Matrix]] = [(weights.unembedding.projection, given.unembedding.projection)]
    for layer, held in weights.attention.items():
        before = given.attention[layer]
        for new, old in ((held.qkv, before.qkv), (held.output, before.output), (held.gate, before.gate)):
            pairs.append((new.weight, old.weight))
    for made, matrix in pairs:
        assert isinstance(made, CompactMatrix)
        assert torch.equal(stored(made), stored(matrix))


def test_compact_matrices_hold_in_any_tile(settings: CpuKernelSettings) -> None:
    """What another process found for stored ones: rows here never depend on their company."""
    given = dummy_weights(WIDE, 5, dtype=torch.float32)
    held = {tile: row_tile_holds(tile, WIDE, given) for tile in CANDIDATES}
    weights = compact_weights(given, settings)
    for tile, holds in held.items():
        assert row_tile_holds(tile, WIDE, weights) >= holds


def test_an_end_that_is_not_here() -> None:
    weights = replace(dummy_weights(WIDE, 5), unembedding=None, attention={})
    assert compact_weights(weights, CpuKernelSettings()) == weights
