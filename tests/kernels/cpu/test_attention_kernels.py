"""Attention on each path: against float64, and a query's bits in any company, chunks, pages and threads.

Every page that is not live is NaN, and so is what lies behind a window.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kernels.attention import attention
from kernels.cpu.attention_kernels import attention_kernels_for
from kernels.cpu.library import CpuKernels
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from kernels.paging import PagedKeysValues
from tests.kernels.cpu.paths import kernels_or_skip
from tests.kernels.paged_histories import HEADS, KV_HEADS, History, expected, history, paged

SHAPES = [(2, 3, 10), (2, 8, 64), (1, 7, 80), (1, 1, 16), (1, 9, 32), (1, 2, 128), (1, 3, 48), (1, 2, 144)]
"""KV heads, group and head_dim; what few rows have a form of their own for, and what just misses it."""

CHUNKS = [((2, 3, 10), 9), ((2, 8, 64), 1), ((2, 2, 16), 3)]
"""A shape and how many queries: many rows, few of one query, few of several."""

MIXED = [(1, 1), (20, 1), (37, 37), (64, 5), (300, 1), (129, 30), (128, 128), (256, 2)]


def settings_of(kernels: CpuKernels) -> CpuKernelSettings:
    return CpuKernelSettings(kernels.path)


def attend(
    kernels: CpuKernels, sequences: list[History], sinks: Tensor, window: int | None, page_size: int = 16
) -> Tensor:
    cache, queries = paged(sequences, page_size, window)
    query = torch.cat([each.query for each in sequences])
    return attention(query, cache, queries, sinks, window, cpu_kernels=settings_of(kernels))


@pytest.mark.parametrize("page_size", [1, 7, 16])
@pytest.mark.parametrize("window", [None, 1, 20, 128])
def test_mixed_step(kernels: CpuKernels, window: int | None, page_size: int) -> None:
    sequences = [history(length, chunk) for length, chunk in MIXED]
    sinks = torch.randn(HEADS) * 3
    found = attend(kernels, sequences, sinks, window, page_size)
    wanted = torch.cat([expected(each, sinks, window) for each in sequences])
    assert torch.allclose(found.double(), wanted, atol=5e-6)  # float32, values of size about 1


@pytest.mark.parametrize("length", [127, 128, 129, 255, 256, 2304 + 257])
def test_edges_of_the_parts(kernels: CpuKernels, length: int) -> None:
    sequence, sinks = history(length, 3), torch.randn(HEADS)
    found = attend(kernels, [sequence], sinks, None)
    assert torch.allclose(found.double(), expected(sequence, sinks, None), atol=5e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [1, 31, 33, 128, 300])
def test_one_query_of_any_shape(kernels: CpuKernels, length: int, shape: tuple[int, int, int]) -> None:
    sequence, sinks = history(length, 1, *shape), torch.randn(shape[0] * shape[1])
    for window in (None, 20):
        found = attend(kernels, [sequence], sinks, window)
        assert torch.allclose(found.double(), expected(sequence, sinks, window), atol=5e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", [None, 20, 128])
def test_a_query_has_the_same_bits_in_any_chunk_company_and_pages(
    kernels: CpuKernels, window: int | None, shape: tuple[int, int, int]
) -> None:
    whole, sinks = history(300, 300, *shape), torch.randn(shape[0] * shape[1])
    alone = attend(kernels, [whole], sinks, window)
    for start, stop in ((0, 300), (0, 1), (127, 128), (5, 133), (128, 131), (250, 300), (299, 300)):
        chunk = History(whole.keys[:stop], whole.values[:stop], whole.query[start:stop])
        others = [history(90, 1, *shape), history(40, 7, *shape)]
        found = attend(kernels, [others[0], chunk, others[1]], sinks, window, page_size=5)
        assert torch.equal(found[1 : 1 + stop - start], alone[start:stop]), (start, stop)


@pytest.mark.parametrize("shape", [(2, 3, 10), (1, 8, 64)])
@pytest.mark.parametrize("window", [None, 128])
def test_the_number_of_threads_does_not_show(
    kernels: CpuKernels, window: int | None, shape: tuple[int, int, int]
) -> None:
    """With one thread tiles see to their own parts; with more the parts of these few tiles are spread."""
    sequences = [history(2000, 1, *shape), history(1500, 2, *shape)]
    sinks = torch.randn(shape[0] * shape[1])
    cache, queries = paged(sequences, 16, window)
    query = torch.cat([each.query for each in sequences])
    before, found = torch.get_num_threads(), []
    for num_threads in (1, 2, 3, 5):
        torch.set_num_threads(num_threads)
        found.append(attention(query, cache, queries, sinks, window, cpu_kernels=settings_of(kernels)))
    torch.set_num_threads(before)
    assert all(torch.equal(each, found[0]) for each in found)


@pytest.mark.parametrize("shape", SHAPES)
def test_avx512_and_avx2_give_the_same_bits(shape: tuple[int, int, int]) -> None:
    wide, narrow = (kernels_or_skip(path) for path in (CpuPath.AVX512, CpuPath.AVX2))
    sequences = [history(length, chunk, *shape) for length, chunk in MIXED]
    sinks = torch.randn(shape[0] * shape[1])
    for window in (None, 20):
        assert torch.equal(attend(wide, sequences, sinks, window), attend(narrow, sequences, sinks, window))


@pytest.mark.parametrize("sink", [-1e4, -3e38, 1e4])
def test_a_sink_far_above_or_below_every_logit(kernels: CpuKernels, sink: float) -> None:
    sequence, sinks = history(150, 40), torch.full((HEADS,), sink)
    found = attend(kernels, [sequence], sinks, None)
    assert torch.allclose(found.double(), expected(sequence, sinks, None), atol=5e-6)


def test_logits_far_apart(kernels: CpuKernels) -> None:
    """Weights below the least float32, and one key that takes all."""
    whole = history(200, 50)
    sequence, sinks = replace(whole, query=whole.query * 40), torch.zeros(HEADS)
    found = attend(kernels, [sequence], sinks, None)
    # A logit of size 300 is off by some 300 · 10 · 2^-24, and so is its weight.
    assert torch.allclose(found.double(), expected(sequence, sinks, None), atol=1e-3)


@pytest.mark.parametrize(("shape", "chunk"), CHUNKS)
def test_a_nan_stays_with_its_query(kernels: CpuKernels, shape: tuple[int, int, int], chunk: int) -> None:
    sequence, sinks = history(150, chunk, *shape), torch.randn(shape[0] * shape[1])
    sequence.query[chunk // 2, 2] = torch.nan
    found = attend(kernels, [sequence], sinks, None)
    broken = found.isnan().all(dim=2)  # [queries, heads]
    assert broken.nonzero().tolist() == [[chunk // 2, 2]]
    assert found[~broken].isfinite().all()


@pytest.mark.parametrize(("shape", "chunk"), CHUNKS)
def test_bfloat16_is_widened_and_rounded_once(
    kernels: CpuKernels, shape: tuple[int, int, int], chunk: int
) -> None:
    whole = history(300, chunk, *shape)
    wide = History(
        whole.keys.bfloat16().float(), whole.values.bfloat16().float(), whole.query.bfloat16().float()
    )
    cache, queries = paged([wide], 16, 140)
    narrow = PagedKeysValues(cache.keys.bfloat16(), cache.values.bfloat16())
    sinks, settings = torch.randn(shape[0] * shape[1]).bfloat16(), settings_of(kernels)
    found = attention(wide.query.bfloat16(), narrow, queries, sinks, 140, cpu_kernels=settings)
    exact = attention(wide.query, cache, queries, sinks.float(), 140, cpu_kernels=settings)
    assert torch.equal(found, exact.bfloat16())


def test_a_page_that_is_not_there(kernels: CpuKernels) -> None:
    cache, queries = paged([history(60, 1)], 16, None)
    for pages in (queries.table.pages[:, :-1], queries.table.pages + 99, queries.table.pages - 99):
        wrong = replace(queries, table=replace(queries.table, pages=pages))
        with pytest.raises(IndexError, match="a page that is not there, or is too short"):
            attention(
                torch.randn(1, HEADS, 10),
                cache,
                wrong,
                torch.zeros(HEADS),
                None,
                cpu_kernels=settings_of(kernels),
            )


def test_a_page_released_too_early_is_noticed(kernels: CpuKernels) -> None:
    cache, queries = paged([history(60, 1)], 16, 20)
    early = replace(queries, table=replace(queries.table, first_page=queries.table.first_page + 1))
    with pytest.raises(AssertionError, match="released that is still seen"):
        attention(
            torch.randn(1, HEADS, 10), cache, early, torch.zeros(HEADS), 20, cpu_kernels=settings_of(kernels)
        )


def test_what_the_kernels_do_not_take_goes_to_the_reference() -> None:
    kernels_or_skip(CpuPath.PLAIN)
    settings = CpuKernelSettings(CpuPath.PLAIN)
    shape, sinks, query = (3, 4, KV_HEADS, 10), torch.zeros(HEADS), torch.zeros(1, HEADS, 10)
    cache = PagedKeysValues(torch.zeros(shape), torch.zeros(shape))
    assert attention_kernels_for(query, cache, sinks, settings) is not None
    assert attention_kernels_for(query.half(), cache, sinks, settings) is None
    assert attention_kernels_for(query, replace(cache, keys=cache.keys.bfloat16()), sinks, settings) is None
    assert attention_kernels_for(query, replace(cache, values=cache.values[:, ::2]), sinks, settings) is None
    assert attention_kernels_for(torch.zeros(1, 65 * KV_HEADS, 10), cache, sinks, settings) is None
    assert attention_kernels_for(query, cache, sinks, CpuKernelSettings(CpuPath.REFERENCE)) is None
