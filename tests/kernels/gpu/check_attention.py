"""Paged attention, interpreted, against the formula in float64; every page that is not live is poisoned."""

import pytest
import torch
from torch import Tensor

from kernels.attention import AttentionQueries, attention
from kernels.gpu.attention_decode import attention_decode, num_chunks, parts_launch
from kernels.gpu.attention_merge import Parts, merge_launch
from kernels.gpu.attention_prefill import prefill_launch
from kernels.gpu.configs import DECODE_ATTENTION
from kernels.paging import PagedKeysValues
from tests.kernels.paged_histories import HEADS, KV_HEADS, History, expected, history, paged

CHUNK = DECODE_ATTENTION.chunk


def poisoned_parts(query: Tensor, chunks: int) -> Parts:
    """A chunk that nobody wrote must not be read."""
    parts = Parts.empty(query, KV_HEADS, chunks)
    for tensor in (parts.mixed, parts.largest, parts.total):
        tensor.fill_(torch.nan)
    return parts


def decoded(
    query: Tensor, cache: PagedKeysValues, queries: AttentionQueries, sinks: Tensor, window: int | None = None
) -> Tensor:
    result = torch.full_like(query, torch.nan)
    attention_decode(query, cache, queries, sinks, window, result)
    return result


def close(found: Tensor, sequences: list[History], sinks: Tensor, window: int | None) -> bool:
    wanted = torch.cat([expected(s, sinks, window) for s in sequences])
    return bool(torch.allclose(found.double(), wanted, atol=5e-6))  # float32, values of size about 1


@pytest.mark.parametrize("page_size", [7, 16])
@pytest.mark.parametrize("window", [None, 1, 20, 128])
def test_decode(window: int | None, page_size: int) -> None:
    lengths = (1, 20, CHUNK, CHUNK + 1, 2 * CHUNK + 60, CHUNK + 19)
    sequences = [history(length, 1) for length in lengths]
    sinks = torch.randn(HEADS) * 3
    cache, queries = paged(sequences, page_size, window)
    query = torch.cat([s.query for s in sequences])
    parts = poisoned_parts(query, num_chunks(queries.table.pages.shape[1], page_size, window))
    parts_launch(query, cache, queries, window, parts).run()
    result = torch.full_like(query, torch.nan)
    merge_launch(parts, queries.first_positions, sinks, window, result).run()
    assert close(result, sequences, sinks, window)


def test_decode_of_many_chunks() -> None:
    sequence = history(18 * CHUNK + 5, 1)  # more than the merge takes at a time
    sinks = torch.randn(HEADS)
    cache, queries = paged([sequence], 64, None)
    assert close(decoded(sequence.query, cache, queries, sinks), [sequence], sinks, None)


def test_a_sequence_has_the_same_bits_in_any_batch() -> None:
    sequences = [history(length, 1) for length in (3, 2 * CHUNK + 9, 40)]
    sinks = torch.randn(HEADS)
    cache, queries = paged(sequences, 16, None)
    together = decoded(torch.cat([s.query for s in sequences]), cache, queries, sinks)
    for index, sequence in enumerate(sequences):
        cache, queries = paged([sequence], 16, None)
        alone = decoded(sequence.query, cache, queries, sinks)
        assert torch.equal(alone[0], together[index])


@pytest.mark.parametrize("page_size", [7, 16])
@pytest.mark.parametrize("window", [None, 1, 20, 128])
def test_prefill(window: int | None, page_size: int) -> None:
    shapes = [(1, 1), (20, 1), (37, 37), (64, 5), (150, 1), (129, 30), (70, 70)]
    sequences = [history(length, chunk) for length, chunk in shapes]
    sinks = torch.randn(HEADS) * 3
    cache, queries = paged(sequences, page_size, window)
    assert queries.num_single == 2  # the third with one query comes too late
    query = torch.cat([s.query for s in sequences])
    result = torch.full_like(query, torch.nan)
    prefill_launch(query, cache, queries, sinks, window, result).run()
    assert result[:2].isnan().all()  # these are the other kernel's
    assert close(result[2:], sequences[2:], sinks, window)
    assert close(attention(query, cache, queries, sinks, window), sequences, sinks, window)


@pytest.mark.parametrize("sink", [-1e4, 1e4])
def test_a_sink_far_above_or_below_every_logit(sink: float) -> None:
    sinks = torch.full((HEADS,), sink)
    prefilled, single = history(30, 30), history(30, 1)
    cache, queries = paged([prefilled], 7, None)
    assert close(attention(prefilled.query, cache, queries, sinks, None), [prefilled], sinks, None)
    cache, queries = paged([single], 7, None)
    assert close(attention(single.query, cache, queries, sinks, None), [single], sinks, None)


def test_bfloat16() -> None:
    whole = history(50, 3)
    narrow = History(whole.keys.bfloat16(), whole.values.bfloat16(), whole.query.bfloat16())
    wide = History(narrow.keys.float(), narrow.values.float(), narrow.query.float())
    cache, queries = paged([wide], 16, 20)
    narrow_cache = PagedKeysValues(cache.keys.bfloat16(), cache.values.bfloat16())
    sinks = torch.randn(HEADS)
    found = attention(narrow.query, narrow_cache, queries, sinks, 20)
    assert found.dtype == torch.bfloat16
    error = (found.double() - expected(wide, sinks, 20)).abs()
    assert float(error.max()) < 2**-6  # 8 bits, cut off by the interpreter; values below 4


@pytest.mark.parametrize(("width", "window"), [(1, None), (40, None), (40, 128), (600, 128), (2, 128)])
def test_there_are_chunks_for_the_longest(width: int, window: int | None) -> None:
    most = num_chunks(width, 16, window)
    for first_page in (0, 15, 16, 17):  # of a sliding table, whose sequence is longer than it
        last = (first_page + width) * 16 - 1
        first = first_page * 16 if window is None else max(first_page * 16, last - window + 1)
        if window is not None or first_page == 0:
            assert last // CHUNK - first // CHUNK + 1 <= most
