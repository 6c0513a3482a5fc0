"""Sequences in a paged cache, and their attention by the formula in float64, for tests of attention."""

import math
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

from kernels.attention import AttentionQueries
from kernels.paging import PagedKeysValues, PageTable, write_keys_values

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


def history(
    length: int, chunk: int, kv_heads: int = KV_HEADS, group: int = GROUP, head_dim: int = HEAD_DIM
) -> History:
    """`group`: query heads of a KV head."""
    return History(
        torch.randn(length, kv_heads, head_dim),
        torch.randn(length, kv_heads, head_dim),
        torch.randn(chunk, kv_heads * group, head_dim) * 2,
    )


def expected(sequence: History, sinks: Tensor, window: int | None) -> Tensor:
    """One query and one head at a time, with the sink as an extra column that has no value."""
    rows = torch.empty(sequence.query.shape, dtype=torch.float64)
    _, num_heads, head_dim = sequence.query.shape
    group = num_heads // sequence.keys.shape[1]
    for index in range(len(sequence.query)):
        position = sequence.first_position + index
        first = 0 if window is None else max(0, position - window + 1)
        for head in range(num_heads):
            keys = sequence.keys[first : position + 1, head // group].double()
            logits = keys @ sequence.query[index, head].double() / math.sqrt(head_dim)
            shares = torch.softmax(torch.cat((logits, sinks[head, None].double())), dim=0)[:-1]
            rows[index, head] = shares @ sequence.values[first : position + 1, head // group].double()
    return rows


def paged(
    sequences: list[History], page_size: int, window: int | None
) -> tuple[PagedKeysValues, AttentionQueries]:
    """The sequences in shuffled pages; what no query may see (freed, free, not yet written) is NaN."""
    num_pages = sum(-(-len(s.keys) // page_size) for s in sequences) + 3
    shuffled = torch.randperm(num_pages).tolist()
    shape = (num_pages, page_size, *sequences[0].keys.shape[1:])
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
    num_single = sum(1 for _ in takewhile(lambda each: len(each.query) == 1, sequences))
    lengths = torch.tensor([0, *(len(s.query) for s in sequences)])
    queries = AttentionQueries(
        starts=lengths.cumsum(0),
        first_positions=torch.tensor([s.first_position for s in sequences]),
        table=PageTable(table, torch.tensor(first_pages)),
        num_single=num_single,
    )
    return cache, queries
