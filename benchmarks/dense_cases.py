"""The CPU kernels beside the experts: rows of `benchmarks.kernels`.

Dense layers: 16,384 rows of gpt-oss-20b's unembedding, compact as a model holds them. With one row the limit
is memory; peers of many rows are torch's matmuls, in float32 with weights that were widened beforehand into
twice the memory, and in bfloat16, which rounds activations too, as ours do beside int8. Attention: layers of
the 20b over sequences in shuffled pages.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.huge_pages import on_huge_pages
from benchmarks.interleaving import median_seconds
from benchmarks.reading_memory import against_reading, reading
from benchmarks.report import Row, compared
from kernels.attention import AttentionQueries, attention
from kernels.cpu.compact_kernels import compact
from kernels.cpu.settings import CpuActivations, CpuKernelSettings, CpuPath
from kernels.linear import linear
from kernels.paging import PagedKeysValues, PageTable
from model.config import GPT_OSS_20B

NUM_OUTS = 16_384  # 94 MB, compact 71: more than a cache holds
WIDTH = GPT_OSS_20B.hidden_size
BANDWIDTH_GOAL = 0.7
"""Of the bandwidth, with one row: torch's own bfloat16 reaches a third."""

PAGE_SIZE = 16

Works = Mapping[str, Callable[[], object]]


def dense_rows(settings: CpuKernelSettings, quick: bool) -> Iterator[Row]:
    weight = on_huge_pages(torch.randn(NUM_OUTS, WIDTH).bfloat16())
    wide, compacted = on_huge_pages(weight.float()), compact(on_huge_pages(weight), settings)
    rounding = replace(settings, activations=CpuActivations.INT8)
    read = reading()
    numbers_of_rows = (1, 4) if quick else (1, 4, 16, 64, 256)
    for num_rows in numbers_of_rows:
        x = torch.randn(num_rows, WIDTH)
        narrow = x.bfloat16()
        works: Works = {
            "ours": partial(linear, x, compacted, None, cpu_kernels=settings),
            "rounded": partial(linear, x, compacted, None, cpu_kernels=rounding),
            "stored": partial(linear, x, weight, None, cpu_kernels=settings),
            "read": read,
            "float32": partial(functional.linear, x, wide),
            "bfloat16": partial(functional.linear, narrow, weight),
        }
        seconds = median_seconds(works, 5 if num_rows > 16 else 9)
        name = f"dense, {num_rows} row{'s' if num_rows > 1 else ''}"
        goal = BANDWIDTH_GOAL if num_rows == 1 else None
        yield against_reading(name, compacted.nbytes, seconds, goal)
        operations = 2 * num_rows * weight.numel() / 1e9
        for kind, work, peer, peer_name in (
            (name, "ours", "stored", "sixteen bits a weight"),
            (name, "ours", "float32", "torch float32 matmul"),
            (name, "ours", "bfloat16", "torch bfloat16 matmul"),
            (f"{name}, rounded", "rounded", "bfloat16", "torch bfloat16 matmul"),
        ):
            yield compared(
                kind,
                "GFLOP/s",
                operations / seconds[work],
                peer_name=peer_name,
                peer=operations / seconds[peer],
                higher_is_better=True,
            )


def attention_rows(settings: CpuKernelSettings, quick: bool) -> Iterator[Row]:
    read = reading()
    # Sequences, queries of each, positions before them.
    decodes = ((16, 1, 1000),) if quick else ((1, 1, 1000), (16, 1, 1000), (1, 1, 32_000))
    for num_sequences, _, context in decodes:
        work = _attention_work(num_sequences, 1, context)
        seconds = median_seconds({"ours": partial(work, settings), "read": read}, 9)
        num_bytes = num_sequences * (context + 1) * 2 * GPT_OSS_20B.kv_width * 4
        yield against_reading(f"attention, {num_sequences} sequences at {context}", num_bytes, seconds)
    for num_queries, context in ((64, 0),) if quick else ((256, 0), (256, 4096)):
        work = _attention_work(1, num_queries, context)
        reference = CpuKernelSettings(CpuPath.REFERENCE)
        seconds = median_seconds({"ours": partial(work, settings), "plain": partial(work, reference)}, 3)
        yield compared(
            f"attention, {num_queries} queries at {context}",
            "ms",
            seconds["ours"] * 1e3,
            peer_name="plain PyTorch",
            peer=seconds["plain"] * 1e3,
            higher_is_better=False,
        )


def _attention_work(
    num_sequences: int, num_queries: int, context: int
) -> Callable[[CpuKernelSettings], Tensor]:
    """One full layer's, in float32."""
    config = GPT_OSS_20B
    num_pages = -(-(context + num_queries) // PAGE_SIZE)
    shape = (num_sequences * num_pages, PAGE_SIZE, config.num_kv_heads, config.head_dim)
    pages = torch.randperm(num_sequences * num_pages).view(num_sequences, num_pages)
    queries = AttentionQueries(
        starts=torch.arange(num_sequences + 1) * num_queries,
        first_positions=torch.full((num_sequences,), context),
        table=PageTable(pages, torch.zeros(num_sequences, dtype=torch.int64)),
    )
    cache = PagedKeysValues(on_huge_pages(torch.randn(shape)), on_huge_pages(torch.randn(shape)))
    query = torch.randn(num_sequences * num_queries, config.num_query_heads, config.head_dim)
    sinks = torch.randn(config.num_query_heads)
    return lambda settings: attention(query, cache, queries, sinks, None, cpu_kernels=settings)
