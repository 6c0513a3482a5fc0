"""Deterministic mode, bit for bit: a sequence alone, in any company, in any chunks, in any pages."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
import torch
from torch import Tensor

import model.determinism
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from model.checkpoint import Checkpoint
from model.determinism import deterministic_row_tile
from model.weights import ModelWeights, Selection
from tests.model.runner import ODD_TINY, REFERENCE, Runner, cut, load_float32, random_tokens, write_tiny

LENGTH = 300


@pytest.fixture(scope="module", params=[1, 2], ids=["1 thread", "2 threads"], autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Each number of threads has bits of its own, and keeps its promise with them."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelWeights:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(ODD_TINY, folder)
    return Checkpoint.open(folder).load(Selection.whole(ODD_TINY), dtype=request.param)


@pytest.fixture(scope="module", params=[DEFAULT_SETTINGS, REFERENCE], ids=["fastest", "reference"])
def cpu_kernels(request: pytest.FixtureRequest) -> CpuKernelSettings:
    settings: CpuKernelSettings = request.param
    return settings


class MakeRunner(Protocol):
    def __call__(self, page_size: int = 16) -> Runner: ...


@pytest.fixture(scope="module")
def make_runner(weights: ModelWeights, cpu_kernels: CpuKernelSettings) -> MakeRunner:
    row_tile = deterministic_row_tile(ODD_TINY, weights, cpu_kernels)

    def make(page_size: int = 16) -> Runner:
        return Runner(ODD_TINY, weights, row_tile=row_tile, page_size=page_size, cpu_kernels=cpu_kernels)

    return make


@pytest.fixture(scope="module")
def token_ids() -> list[int]:
    return torch.randint(
        0, ODD_TINY.vocab_size, (LENGTH,), generator=torch.Generator().manual_seed(3)
    ).tolist()


@pytest.fixture(scope="module")
def alone(threads: int, make_runner: MakeRunner, token_ids: list[int]) -> Tensor:
    assert torch.get_num_threads() == threads
    return make_runner().run(token_ids, [LENGTH])


@pytest.mark.parametrize("size", [1, 17, 127, 128, 129])
def test_any_chunks(make_runner: MakeRunner, token_ids: list[int], alone: Tensor, size: int) -> None:
    assert torch.equal(make_runner().run(token_ids, cut(LENGTH, size)), alone)


@pytest.mark.parametrize("page_size", [5, 64])
def test_any_pages(make_runner: MakeRunner, token_ids: list[int], alone: Tensor, page_size: int) -> None:
    assert torch.equal(make_runner(page_size).run(token_ids, cut(LENGTH, 100)), alone)


@pytest.mark.parametrize("num_others", [1, 4, 9])
def test_any_company(make_runner: MakeRunner, token_ids: list[int], alone: Tensor, num_others: int) -> None:
    """The others come in different lengths, some before and some behind, and stop at different times."""
    busy = make_runner()
    sequence = busy.begin(token_ids)
    others = [busy.begin(random_tokens(40 + 25 * index)) for index in range(num_others)]
    found = []
    for step, count in enumerate([120, 1, 1, 30, 1, 100, 47]):
        shares = [
            (other, share)
            for index, other in enumerate(others)
            if (share := min(1 + (step + index) % 4 * 13, len(other.token_ids) - other.position))
        ]
        shares.insert(step % (len(shares) + 1), (sequence, count))
        found.append(busy.step(shares)[[other for other, _ in shares].index(sequence)])
    assert torch.equal(torch.cat(found), alone)


def test_the_default_mode_is_close(
    weights: ModelWeights, cpu_kernels: CpuKernelSettings, token_ids: list[int], alone: Tensor
) -> None:
    default = Runner(ODD_TINY, weights, cpu_kernels=cpu_kernels).run(token_ids, [LENGTH])
    if cpu_kernels is not REFERENCE:
        assert torch.equal(default, alone)  # the kernels know no modes
    # Logits of size about 1: float32 rounding through five layers, or bfloat16's eight bits.
    limit = 1e-5 if weights.attention[0].sinks.dtype is torch.float32 else 0.1
    assert (default - alone).square().mean().sqrt() <= limit


def test_a_model_for_which_wide_tiles_may_not_hold(tmp_path: Path) -> None:
    """On a machine with AVX2 a row's place in a tile of 16 shows in this one's attention."""
    config = replace(ODD_TINY, num_query_heads=15, num_kv_heads=3, head_dim=10)
    write_tiny(config, tmp_path)
    _, weights = load_float32(tmp_path)
    row_tile = deterministic_row_tile(config, weights, REFERENCE)
    token_ids = random_tokens(160)
    whole, cut_small = (
        Runner(config, weights, row_tile=row_tile, cpu_kernels=REFERENCE).run(token_ids, cut(160, size))
        for size in (160, 7)
    )
    assert torch.equal(whole, cut_small)


@pytest.mark.parametrize(
    ("largest_in_matmuls", "largest_in_attention", "expected"),
    [(16, 16, 16), (4, 16, 4), (16, 2, 2), (1, 16, 1)],
)
def test_the_largest_tile_that_holds_everywhere_is_taken(
    weights: ModelWeights,
    monkeypatch: pytest.MonkeyPatch,
    largest_in_matmuls: int,
    largest_in_attention: int,
    expected: int,
) -> None:
    def in_matmuls(_matrix: Tensor, row_tile: int, _dtype: torch.dtype) -> bool:
        return row_tile <= largest_in_matmuls

    def in_attention(_heads: int, _group: int, _head_dim: int, row_tile: int, _device: torch.device) -> bool:
        return row_tile <= largest_in_attention

    monkeypatch.setattr(model.determinism, "rows_are_equal_in_a_tile", in_matmuls)
    monkeypatch.setattr(model.determinism, "rows_are_equal_in_attention", in_attention)
    assert deterministic_row_tile(ODD_TINY, weights, REFERENCE) == expected
