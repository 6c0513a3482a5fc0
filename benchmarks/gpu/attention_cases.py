"""Both attention kernels, at the batches and contexts of decode, and at prefill chunks."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.gpu.case import Case, num_bytes
from benchmarks.gpu.stage import Machine
from kernels.attention import AttentionQueries, attention
from kernels.paging import PagedKeysValues, PageTable
from model.config import ModelConfig

PAGE_SIZE = 16
MOST_CACHE_BYTES = 4 << 30


def attention_cases(machine: Machine) -> Iterator[Case]:
    """Every released model has the same heads, so one of them serves."""
    config, sizes = machine.sizes.models[0].config, machine.sizes
    shapes = [(batch, context, 1) for batch in sizes.batches for context in sizes.contexts]
    shapes += [(1, length, min(length, sizes.prefill_chunk)) for length in sizes.prefills]
    for window in (None, config.sliding_window):
        for num_sequences, context, chunk in shapes:
            if num_sequences * context * 4 * config.kv_width <= MOST_CACHE_BYTES:
                yield _case(machine, config, num_sequences, context, chunk, window)


def _case(
    machine: Machine, config: ModelConfig, num_sequences: int, context: int, chunk: int, window: int | None
) -> Case:
    """Sequences of `context` positions, of which the last `chunk` ask."""
    width, device = -(-context // PAGE_SIZE), machine.device
    pages = torch.randperm(num_sequences * width, device=device).view(num_sequences, width)
    shape = (num_sequences * width, PAGE_SIZE, config.num_kv_heads, config.head_dim)

    def values(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=machine.dtype)

    cache = PagedKeysValues(values(*shape), values(*shape))
    query = values(num_sequences * chunk, config.num_query_heads, config.head_dim)
    sinks = values(config.num_query_heads)
    first_positions = torch.full((num_sequences,), context - chunk, device=device)
    queries = AttentionQueries(
        starts=torch.arange(num_sequences + 1, device=device) * chunk,
        first_positions=first_positions,
        table=PageTable(pages, torch.zeros_like(first_positions)),
        num_single=num_sequences if chunk == 1 else 0,
    )
    seen = context if window is None else min(context, window + chunk - 1)
    kind = "decode" if chunk == 1 else f"prefill of {chunk}"
    return Case(
        f"attention {kind}, {num_sequences} of {context}, {'full' if window is None else 'sliding'}",
        lambda: attention(query, cache, queries, sinks, window),
        lambda: formula(query, cache, queries, sinks, window),
        num_sequences * seen * 2 * config.kv_width * machine.dtype.itemsize + 2 * num_bytes(query),
    )


def formula(
    query: Tensor, cache: PagedKeysValues, queries: AttentionQueries, sinks: Tensor, window: int | None
) -> Tensor:
    """In float64, one sequence and one KV head at a time. All are as long and have as many queries."""
    num_sequences = len(queries.first_positions)
    chunk, (heads, head_dim) = len(query) // num_sequences, query.shape[1:]
    kv_heads = cache.keys.shape[2]
    first = int(queries.first_positions[0])
    position = torch.arange(first, first + chunk, device=query.device)[:, None]
    distance = position - torch.arange(first + chunk, device=query.device)[None, :]  # [chunk, context]
    hidden = (distance < 0) if window is None else (distance < 0) | (distance >= window)
    results = []
    for sequence in range(num_sequences):
        pages = queries.table.pages[sequence]
        keys, values = (x[pages].flatten(0, 1)[: first + chunk].double() for x in (cache.keys, cache.values))
        mine = query[sequence * chunk : (sequence + 1) * chunk].double().view(chunk, kv_heads, -1, head_dim)
        for kv_head in range(kv_heads):
            logits = torch.einsum("qgd,kd->gqk", mine[:, kv_head], keys[:, kv_head]) / math.sqrt(head_dim)
            logits = logits.masked_fill(hidden, -torch.inf)
            sink = sinks.double().view(kv_heads, -1, 1, 1)[kv_head].expand(-1, chunk, 1)
            shares = torch.softmax(torch.cat((logits, sink), dim=-1), dim=-1)[..., :-1]
            results.append(torch.einsum("gqk,kd->qgd", shares, values[:, kv_head]))
    stacked = torch.stack(results).view(num_sequences, kv_heads, chunk, heads // kv_heads, head_dim)
    return stacked.transpose(1, 2).reshape(len(query), heads, head_dim)
