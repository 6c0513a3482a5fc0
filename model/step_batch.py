"""Everything that one forward pass needs to know about its tokens, as tensors.

A step mixes decodes (one token) and prefill chunks (many) of any sequences. Who goes into a step is the
scheduler's business; what a sequence has said so far is the caller's.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, chain, takewhile
from typing import NamedTuple

import torch
from torch import Tensor

from kernels.attention import AttentionQueries
from kernels.paging import PageTable
from model.pages import SequencePages, TableRow


class LogitsWanted(StrEnum):
    """Which tokens of a chunk want logits."""

    NONE = "none"  # a prefill chunk that is not the last
    LAST = "last"  # to sample the next token
    ALL = "all"  # prompt log-probabilities, verification of drafts


class SequenceChunk(NamedTuple):
    """One sequence's share of a step: tokens at positions first_position, first_position + 1, …"""

    token_ids: Sequence[int]
    first_position: int
    pages: SequencePages
    logits: LogitsWanted = LogitsWanted.LAST


@dataclass(frozen=True, slots=True)
class LayerView:
    """What the layers of one kind see of a step: where to write, whom to attend to."""

    slots: Tensor  # [tokens] int64: page · page_size + offset
    queries: AttentionQueries


@dataclass(frozen=True, slots=True)
class StepBatch:
    """The tokens of one step, chunk after chunk."""

    token_ids: Tensor  # [tokens] int64
    positions: Tensor  # [tokens] int64
    full: LayerView
    sliding: LayerView
    logit_rows: Tensor  # [outputs] int64, rising: the tokens whose logits are wanted

    @classmethod
    def build(cls, chunks: Sequence[SequenceChunk], device: torch.device | str = "cpu") -> "StepBatch":
        assert chunks, "a step has at least one chunk"
        assert all(chunk.token_ids for chunk in chunks), "a chunk has at least one token"
        assert len({chunk.pages.page_size for chunk in chunks}) == 1, "one cache has one page size"
        lengths = [len(chunk.token_ids) for chunk in chunks]
        starts = list(accumulate(lengths, initial=0))
        first_positions = [chunk.first_position for chunk in chunks]
        spans = [range(first, first + length) for first, length in zip(first_positions, lengths, strict=True)]
        page_size = chunks[0].pages.page_size
        num_single = sum(1 for _ in takewhile(lambda length: length == 1, lengths))
        starts_tensor, first_positions_tensor = _integers(starts, device), _integers(first_positions, device)

        def view(rows: list[TableRow]) -> LayerView:
            return LayerView(
                slots=_integers(_slots(rows, spans, page_size), device),
                queries=AttentionQueries(
                    starts=starts_tensor,
                    first_positions=first_positions_tensor,
                    table=_page_table(rows, device),
                    num_single=num_single,
                ),
            )

        return cls(
            token_ids=_integers(list(chain.from_iterable(chunk.token_ids for chunk in chunks)), device),
            positions=_integers(list(chain.from_iterable(spans)), device),
            full=view([chunk.pages.full for chunk in chunks]),
            sliding=view([chunk.pages.sliding for chunk in chunks]),
            logit_rows=_integers(_logit_rows(chunks, starts), device),
        )


def _integers(values: Sequence[int], device: torch.device | str) -> Tensor:
    """Through an array, since torch.tensor takes several times as long to read a list."""
    if not values:
        return torch.empty(0, dtype=torch.int64, device=device)
    numbers = values if isinstance(values, array) else array("q", values)
    return torch.frombuffer(numbers, dtype=torch.int64).to(device)


def _slots(rows: Sequence[TableRow], spans: Sequence[range], page_size: int) -> list[int]:
    slots: list[int] = []
    for (pages, first_page), span in zip(rows, spans, strict=True):
        for position in span:
            page, offset = divmod(position, page_size)
            assert page >= first_page, f"position {position} lies behind the pages that the sequence keeps"
            slots.append(pages[page - first_page] * page_size + offset)
    return slots


def _page_table(rows: Sequence[TableRow], device: torch.device | str) -> PageTable:
    width = max(len(row.pages) for row in rows)
    table = array("q")
    for row in rows:
        table.extend(row.pages)
        missing = width - len(row.pages)
        if missing:
            table.frombytes(bytes(table.itemsize * missing))
    return PageTable(
        pages=_integers(table, device).view(len(rows), width),
        first_page=_integers([row.first_page for row in rows], device),
    )


def _logit_rows(chunks: Sequence[SequenceChunk], starts: Sequence[int]) -> list[int]:
    rows: list[int] = []
    for chunk, start, stop in zip(chunks, starts, starts[1:], strict=False):
        match chunk.logits:
            case LogitsWanted.ALL:
                rows += range(start, stop)
            case LogitsWanted.LAST:
                rows.append(stop - 1)
            case LogitsWanted.NONE:
                pass
    return rows
