"""Attention over paged keys and values: grouped heads, optional window, a sink per query head.

    visible(q, k) = 0 ≤ q − k < window        (window: None for full layers)
    l_k = q · k / √head_dim;  p_k = exp(l_k − m) / (Σ exp(l_j − m) + exp(sink − m))

One pass over blocks of keys with a running maximum. The sink is where the pass starts (m = sink, sum = 1),
so it costs nothing, and a block in which a query sees nothing changes none of its bits. Therefore, with
`row_tile` set, every matmul has one shape and blocks lie at fixed positions, and a query's result is the
same in any chunk and any company (see kernels/linear.py).

Chunks of any length at any offset: prefill and decode are the same call. On a CPU one kernel does it, whose
results do not depend on company either. On a GPU two kernels share it; with a `row_tile` the form below runs
there too, since the two kernels round in two ways.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from kernels.cpu.attention_kernels import attention_kernels_for
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.device import takes_gpu_matmuls
from kernels.linear import pad_rows
from kernels.paging import PagedKeysValues, PageTable, read_positions

_FREE_QUERY_TILE = 256
_FREE_KEY_TILE = 2048
_FIXED_KEY_TILE = 128


@dataclass(frozen=True, slots=True)
class AttentionQueries:
    """Whose queries the rows are: sequence s has rows starts[s] … starts[s + 1] − 1, in order."""

    starts: Tensor  # [sequences + 1] int64
    first_positions: Tensor  # [sequences] int64
    table: PageTable
    num_single: int = 0  # so many sequences, the first ones, are known to have one query each


def attention(
    query: Tensor,
    cache: PagedKeysValues,
    queries: AttentionQueries,
    sinks: Tensor,
    window: int | None,
    row_tile: int | None = None,
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
) -> Tensor:
    """query: [tokens, query_heads, head_dim], sinks: [query_heads] -> [tokens, query_heads, head_dim]."""
    if row_tile is None and takes_gpu_matmuls(query):
        return _on_gpu(query, cache, queries, sinks, window)
    kernels = attention_kernels_for(query, cache, sinks, cpu_kernels)
    if kernels is not None:
        return kernels.attention(
            query, cache, queries.starts, queries.first_positions, queries.table, sinks, window
        )
    return attention_reference(query, cache, queries, sinks, window, row_tile)


def _on_gpu(
    query: Tensor, cache: PagedKeysValues, queries: AttentionQueries, sinks: Tensor, window: int | None
) -> Tensor:
    result = torch.empty_like(query)
    if queries.num_single > 0:
        from kernels.gpu.attention_decode import attention_decode

        attention_decode(query, cache, queries, sinks, window, result)
    if queries.num_single < len(queries.first_positions):
        from kernels.gpu.attention_prefill import attention_prefill

        attention_prefill(query, cache, queries, sinks, window, result)
    return result


def attention_reference(
    query: Tensor,
    cache: PagedKeysValues,
    queries: AttentionQueries,
    sinks: Tensor,
    window: int | None,
    row_tile: int | None = None,
) -> Tensor:
    """The definition, on every device."""
    result = torch.empty_like(query)
    starts = queries.starts.tolist()
    for sequence, first_position in enumerate(queries.first_positions.tolist()):
        rows = slice(starts[sequence], starts[sequence + 1])
        pass_over = _SequencePass(cache, queries.table, sequence, sinks, window, row_tile)
        result[rows] = pass_over.attend(query[rows], first_position)
    return result


@dataclass(frozen=True, slots=True)
class _RunningSoftmax:
    """What a row has seen so far: its largest logit, Σ exp(l − largest), and Σ exp(l − largest) · value."""

    largest: Tensor  # [kv_heads, rows, 1]
    total: Tensor  # [kv_heads, rows, 1]
    mixed: Tensor  # [kv_heads, rows, head_dim]

    @classmethod
    def from_sinks(cls, sinks: Tensor, rows: Tensor) -> "_RunningSoftmax":
        """A sink is a logit without a value. sinks: [query_heads], rows: [kv_heads, rows, head_dim]."""
        num_kv_heads, num_rows, _ = rows.shape
        per_kv_head = sinks.float().view(num_kv_heads, -1)  # [kv_heads, group]
        largest = per_kv_head.repeat(1, num_rows // per_kv_head.shape[1])[..., None]
        return cls(largest, torch.ones_like(largest), torch.zeros_like(rows))

    def after(self, logits: Tensor, values: Tensor) -> "_RunningSoftmax":
        """logits: [kv_heads, rows, block], −inf where unseen; values: [kv_heads, block, head_dim]."""
        largest = torch.maximum(self.largest, logits.amax(dim=-1, keepdim=True))
        share = torch.exp(logits - largest)  # [kv_heads, rows, block]
        fade = torch.exp(self.largest - largest)  # [kv_heads, rows, 1]
        return _RunningSoftmax(
            largest,
            self.total * fade + share.sum(dim=-1, keepdim=True),
            self.mixed * fade + torch.bmm(share, values),
        )

    def result(self) -> Tensor:
        """[kv_heads, rows, head_dim]"""
        return self.mixed / self.total


@dataclass(frozen=True, slots=True)
class _SequencePass:
    """Attention of one sequence's chunk."""

    cache: PagedKeysValues
    table: PageTable
    sequence: int
    sinks: Tensor
    window: int | None
    row_tile: int | None

    def attend(self, query: Tensor, first_position: int) -> Tensor:
        """query: [chunk, query_heads, head_dim] -> the same shape."""
        query_tile = self.row_tile or _FREE_QUERY_TILE
        tiles = [
            self._attend_tile(tile, first_position + index * query_tile)
            for index, tile in enumerate(torch.split(query, query_tile))
        ]
        return torch.cat(tiles)

    def _attend_tile(self, query: Tensor, first_position: int) -> Tensor:
        """query: [tile, query_heads, head_dim] -> the same shape."""
        assert self._kept_from <= self._first_key(first_position), "a page was released that is still seen"
        num_queries, past_query = len(query), first_position + len(query)
        if self.row_tile is not None:
            query = pad_rows(query, self.row_tile)
        rows = self._rows_of_kv_heads(query)  # [kv_heads, rows, head_dim]
        group = rows.shape[1] // len(query)
        row_position = first_position + torch.arange(len(query), device=query.device).repeat_interleave(group)
        running = _RunningSoftmax.from_sinks(self.sinks, rows)
        for start, stop in self._key_blocks(first_position, past_query):
            keys, values = self._read_block(start, stop, past_query)
            key_position = torch.arange(start, stop, device=query.device)
            visible = self._visible(row_position[:, None], key_position[None, :])  # [rows, block]
            running = running.after(torch.bmm(rows, keys).masked_fill(~visible, -torch.inf), values)
        mixed = running.result().view(rows.shape[0], len(query), group, -1).transpose(0, 1)
        return mixed.reshape(query.shape)[:num_queries].to(query.dtype)

    def _rows_of_kv_heads(self, query: Tensor) -> Tensor:
        """[tile, query_heads, head_dim] -> [kv_heads, tile * group, head_dim] float32, scaled."""
        num_queries, num_heads, head_dim = query.shape
        num_kv_heads = self.cache.keys.shape[2]
        grouped = query.float().view(num_queries, num_kv_heads, num_heads // num_kv_heads, head_dim)
        scale = 1 / math.sqrt(head_dim)
        return grouped.transpose(0, 1).reshape(num_kv_heads, -1, head_dim) * scale

    @property
    def _kept_from(self) -> int:
        """The first position whose page the table still has."""
        return int(self.table.first_page[self.sequence]) * self.cache.page_size

    def _first_key(self, query_position: int) -> int:
        return 0 if self.window is None else max(0, query_position - self.window + 1)

    def _key_blocks(self, first_query: int, past_query: int) -> list[tuple[int, int]]:
        """Blocks of positions that hold every key that queries first_query … past_query − 1 may see."""
        first_key = self._first_key(first_query)
        if self.row_tile is None:
            edges = [*range(first_key, past_query, _FREE_KEY_TILE), past_query]
            return list(pairwise(edges))
        first_block = first_key // _FIXED_KEY_TILE * _FIXED_KEY_TILE
        return [(start, start + _FIXED_KEY_TILE) for start in range(first_block, past_query, _FIXED_KEY_TILE)]

    def _read_block(self, start: int, stop: int, past_query: int) -> tuple[Tensor, Tensor]:
        """-> keys [kv_heads, head_dim, block], values [kv_heads, block, head_dim]; zero where not kept."""
        first, past = max(start, self._kept_from), min(stop, past_query)
        read = read_positions(self.cache, self.table, self.sequence, first, past)
        outside = (0, 0, 0, 0, first - start, stop - past)
        keys = functional.pad(read.keys[0].float(), outside)  # [block, kv_heads, head_dim]
        values = functional.pad(read.values[0].float(), outside)
        return keys.permute(1, 2, 0).contiguous(), values.transpose(0, 1).contiguous()

    def _visible(self, query_position: Tensor, key_position: Tensor) -> Tensor:
        """query_position: [rows, 1], key_position: [1, block] -> [rows, block]."""
        distance = query_position - key_position
        visible = distance >= 0
        return visible if self.window is None else visible & (distance < self.window)


def rows_are_equal_in_attention(
    num_kv_heads: int, group: int, head_dim: int, row_tile: int, device: torch.device
) -> bool:
    """Whether the two matmuls above give equal query rows equal bits at this tile (see kernels/linear.py)."""
    generator = torch.Generator().manual_seed(num_kv_heads * group * head_dim)

    def equal_rows(width: int, out: int) -> bool:
        row = torch.randn(num_kv_heads, 1, width, generator=generator)
        rows = row.expand(-1, row_tile * group, -1).to(device).contiguous()  # [kv_heads, rows, width]
        result = torch.bmm(rows, torch.randn(num_kv_heads, width, out, generator=generator).to(device))
        return bool((result == result[:, :group].repeat(1, row_tile, 1)).all())

    return equal_rows(head_dim, _FIXED_KEY_TILE) and equal_rows(_FIXED_KEY_TILE, head_dim)
