"""Paged attention in plain torch against the formula in float64; every page that is not live is NaN.

The CPU's kernel: tests/kernels/cpu/test_attention_kernels.py.
"""

from dataclasses import replace

import pytest
import torch

from kernels.attention import attention_reference
from kernels.paging import PagedKeysValues, read_positions
from tests.kernels.paged_histories import HEAD_DIM, HEADS, History, expected, history, paged

MIXED = [(1, 1), (20, 1), (37, 37), (64, 5), (300, 1), (129, 30), (128, 128)]


@pytest.mark.parametrize("row_tile", [None, 4, 16])
@pytest.mark.parametrize("page_size", [1, 7, 16])
@pytest.mark.parametrize("window", [None, 1, 20, 128])
def test_mixed_step(window: int | None, page_size: int, row_tile: int | None) -> None:
    sequences = [history(length, chunk) for length, chunk in MIXED]
    sinks = torch.randn(HEADS) * 3
    cache, queries = paged(sequences, page_size, window)
    query = torch.cat([s.query for s in sequences])
    found = attention_reference(query, cache, queries, sinks, window, row_tile)
    wanted = torch.cat([expected(s, sinks, window) for s in sequences])
    assert torch.allclose(found.double(), wanted, atol=5e-6)  # float32, values of size about 1


@pytest.mark.parametrize("length", [2047, 2048, 2049, 2304 + 257])
def test_edges_of_the_blocks(length: int) -> None:
    sequence = history(length, 3)
    sinks = torch.randn(HEADS)
    cache, queries = paged([sequence], 16, None)
    found = attention_reference(sequence.query, cache, queries, sinks, None)
    assert torch.allclose(found.double(), expected(sequence, sinks, None), atol=5e-6)


def test_a_sink_far_above_or_below_every_logit() -> None:
    sequence = history(30, 30)
    cache, queries = paged([sequence], 7, None)
    for sink in (-1e4, 1e4):
        sinks = torch.full((HEADS,), sink)
        found = attention_reference(sequence.query, cache, queries, sinks, None)
        assert torch.allclose(found.double(), expected(sequence, sinks, None), atol=5e-6)


def test_bfloat16_keeps_its_dtype_and_sums_in_float32() -> None:
    whole = history(100, 9)
    sequence = History(whole.keys.bfloat16(), whole.values.bfloat16(), whole.query.bfloat16())
    wide = History(sequence.keys.float(), sequence.values.float(), sequence.query.float())
    cache, queries = paged([wide], 16, 20)
    narrow = PagedKeysValues(cache.keys.bfloat16(), cache.values.bfloat16())
    sinks = torch.randn(HEADS)
    found = attention_reference(sequence.query, narrow, queries, sinks, 20)
    assert torch.equal(found, attention_reference(wide.query, cache, queries, sinks, 20).bfloat16())


def test_reading_behind_the_first_page_is_refused() -> None:
    cache, queries = paged([history(60, 1)], 16, 20)
    with pytest.raises(AssertionError, match="behind the first page"):
        read_positions(cache, queries.table, 0, 10, 60)


def test_a_page_released_too_early_is_noticed() -> None:
    cache, queries = paged([history(60, 1)], 16, 20)
    early = replace(queries, table=replace(queries.table, first_page=queries.table.first_page + 1))
    with pytest.raises(AssertionError, match="released that is still seen"):
        attention_reference(torch.randn(1, HEADS, HEAD_DIM), cache, early, torch.zeros(HEADS), 20)
