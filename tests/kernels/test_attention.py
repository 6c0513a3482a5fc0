"""Paged attention against the formula in float64, with every page that is not live poisoned with NaN."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from kernels.attention import AttentionQueries, attention
from kernels.paging import PagedKeysValues, PageTable, read_positions, write_keys_values

KV_HEADS, GROUP, HEAD_DIM = 2, 3, 10
HEADS = KV_HEADS * GROUP


@dataclass(frozen=True)
class History:
    """One sequence: all of its keys and values, and the queries of its newest positions."""

    keys: Tensor  # [length, kv_heads, head_dim]
    values: Tensor
    query: Tensor  # [chunk, heads, head_dim]

    @property
    def first_position(self) -> int:
        return len(self.keys) - len(self.query)


def history(length: int, chunk: int) -> History:
    return History(
        torch.randn(length, KV_HEADS, HEAD_DIM),
        torch.randn(length, KV_HEADS, HEAD_DIM),
        torch.randn(chunk, HEADS, HEAD_DIM) * 2,
    )


def expected(sequence: History, sinks: Tensor, window: int | None) -> Tensor:
    """One query and one head at a time, with the sink as an extra column that has no value."""
    rows = torch.empty(sequence.query.shape, dtype=torch.float64)
    for index in range(len(sequence.query)):
        position = sequence.first_position + index
        first = 0 if window is None else max(0, position - window + 1)
        for head in range(HEADS):
            keys = sequence.keys[first : position + 1, head // GROUP].double()
            logits = keys @ sequence.query[index, head].double() / math.sqrt(HEAD_DIM)
            shares = torch.softmax(torch.cat((logits, sinks[head, None].double())), dim=0)[:-1]
            rows[index, head] = shares @ sequence.values[first : position + 1, head // GROUP].double()
    return rows


def paged(
    sequences: list[History], page_size: int, window: int | None
) -> tuple[PagedKeysValues, AttentionQueries]:
    """The sequences in shuffled pages; what no query may see (freed, free, not yet written) is NaN."""
    num_pages = sum(-(-len(s.keys) // page_size) for s in sequences) + 3
    shuffled = torch.randperm(num_pages).tolist()
    shape = (num_pages, page_size, KV_HEADS, HEAD_DIM)
    cache = PagedKeysValues(torch.full(shape, torch.nan), torch.full(shape, torch.nan))
    rows: list[list[int]] = []
    first_pages: list[int] = []
    for sequence in sequences:
        first_visible = 0 if window is None else max(0, sequence.first_position - window + 1)
        first_page = first_visible // page_size
        pages = [shuffled.pop() for _ in range(first_page, -(-len(sequence.keys) // page_size))]
        positions = torch.arange(first_page * page_size, len(sequence.keys))
        slots = torch.tensor(pages)[positions // page_size - first_page] * page_size + positions % page_size
        write_keys_values(cache, sequence.keys[positions], sequence.values[positions], slots)
        rows.append(pages)
        first_pages.append(first_page)
    table = torch.full((len(rows), max(map(len, rows))), num_pages + 99)  # reading past a row would raise
    for index, pages in enumerate(rows):
        table[index, : len(pages)] = torch.tensor(pages)
    lengths = torch.tensor([0, *(len(s.query) for s in sequences)])
    queries = AttentionQueries(
        starts=lengths.cumsum(0),
        first_positions=torch.tensor([s.first_position for s in sequences]),
        table=PageTable(table, torch.tensor(first_pages)),
    )
    return cache, queries


MIXED = [(1, 1), (20, 1), (37, 37), (64, 5), (300, 1), (129, 30), (128, 128)]


@pytest.mark.parametrize("row_tile", [None, 4, 16])
@pytest.mark.parametrize("page_size", [1, 7, 16])
@pytest.mark.parametrize("window", [None, 1, 20, 128])
def test_mixed_step(window: int | None, page_size: int, row_tile: int | None) -> None:
    sequences = [history(length, chunk) for length, chunk in MIXED]
    sinks = torch.randn(HEADS) * 3
    cache, queries = paged(sequences, page_size, window)
    query = torch.cat([s.query for s in sequences])
    found = attention(query, cache, queries, sinks, window, row_tile)
    wanted = torch.cat([expected(s, sinks, window) for s in sequences])
    assert torch.allclose(found.double(), wanted, atol=5e-6)  # float32, values of size about 1


@pytest.mark.parametrize("length", [2047, 2048, 2049, 2304 + 257])
def test_edges_of_the_blocks(length: int) -> None:
    sequence = history(length, 3)
    sinks = torch.randn(HEADS)
    cache, queries = paged([sequence], 16, None)
    found = attention(sequence.query, cache, queries, sinks, None)
    assert torch.allclose(found.double(), expected(sequence, sinks, None), atol=5e-6)


def test_a_sink_far_above_or_below_every_logit() -> None:
    sequence = history(30, 30)
    cache, queries = paged([sequence], 7, None)
    for sink in (-1e4, 1e4):
        sinks = torch.full((HEADS,), sink)
        found = attention(sequence.query, cache, queries, sinks, None)
        assert torch.allclose(found.double(), expected(sequence, sinks, None), atol=5e-6)


def test_bfloat16_keeps_its_dtype_and_sums_in_float32() -> None:
    whole = history(100, 9)
    sequence = History(whole.keys.bfloat16(), whole.values.bfloat16(), whole.query.bfloat16())
    wide = History(sequence.keys.float(), sequence.values.float(), sequence.query.float())
    cache, queries = paged([wide], 16, 20)
    narrow = PagedKeysValues(cache.keys.bfloat16(), cache.values.bfloat16())
    sinks = torch.randn(HEADS)
    found = attention(sequence.query, narrow, queries, sinks, 20)
    assert torch.equal(found, attention(wide.query, cache, queries, sinks, 20).bfloat16())


def test_reading_behind_the_first_page_is_refused() -> None:
    cache, queries = paged([history(60, 1)], 16, 20)
    with pytest.raises(AssertionError, match="behind the first page"):
        read_positions(cache, queries.table, 0, 10, 60)


def test_a_page_released_too_early_is_noticed() -> None:
    cache, queries = paged([history(60, 1)], 16, 20)
    early = replace(queries, table=replace(queries.table, first_page=queries.table.first_page + 1))
    with pytest.raises(AssertionError, match="released that is still seen"):
        attention(torch.randn(1, HEADS, HEAD_DIM), cache, early, torch.zeros(HEADS), 20)
