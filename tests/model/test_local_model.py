"""A whole model in this process: what it prepares before it answers."""

from dataclasses import replace

import pytest
import torch

from kernels.compact import stored
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from model.determinism import deterministic_row_tile
from model.dummy import dummy_weights
from model.local_model import LocalModel
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from protos.errors import ConfigError
from tests.kernels.cpu.paths import kernels_or_skip
from tests.model.runner import REFERENCE, random_tokens
from tests.model.tiny_model import TINY


def test_a_cpu_path_that_cannot_run_is_refused_when_the_model_is_built() -> None:
    settings = CpuKernelSettings(CpuPath.AVX2, compiler="no-such-compiler")
    with pytest.raises(ConfigError, match="the CPU path avx2 cannot run: no C"):
        LocalModel.of(TINY, dummy_weights(TINY, 5), cpu_kernels=settings)


def test_without_a_compiler_a_model_still_runs() -> None:
    settings = CpuKernelSettings(compiler="no-such-compiler")
    assert LocalModel.of(TINY, dummy_weights(TINY, 5), cpu_kernels=settings).row_tile is None


def test_the_kernels_need_no_tile_and_give_the_same_bits_in_either_mode() -> None:
    kernels_or_skip(CpuPath.PLAIN)
    weights = dummy_weights(TINY, 5, dtype=torch.float32)
    models = [LocalModel.of(TINY, weights, deterministic=deterministic) for deterministic in (False, True)]
    assert [model.row_tile for model in models] == [None, 1]
    pages = SequencePages(PagePool(6), 16, TINY.sliding_window)
    pages.make_room(30)
    batch = StepBatch.build([SequenceChunk(random_tokens(30, TINY), 0, pages, LogitsWanted.ALL)])
    plain, fixed = (model.forward_pass.forward(batch, model.allocate_cache(6, 16)) for model in models)
    assert torch.equal(plain, fixed)


def test_a_matrix_that_the_kernels_do_not_take_is_tried_in_tiles() -> None:
    weights = dummy_weights(TINY, 5)
    assert weights.unembedding is not None
    wide = replace(weights.unembedding, projection=stored(weights.unembedding.projection).float())
    found = deterministic_row_tile(TINY, replace(weights, unembedding=wide))
    assert found == deterministic_row_tile(TINY, replace(weights, unembedding=wide), REFERENCE)


def test_hidden_states_have_the_dtype_that_was_asked_for() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        model = LocalModel.of(TINY, dummy_weights(TINY, 5, dtype=dtype))
        assert model.dtype is model.allocate_cache(3, 16).keys.dtype is dtype
        assert model.weights.embedding is not None
        assert model.weights.embedding.dtype is torch.bfloat16
