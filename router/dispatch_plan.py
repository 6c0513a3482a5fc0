"""Who computes what of one layer's tokens: the assignments of a step, cut into one share per worker.

A plan is made from the gate's choices and a host for every expert, and is never changed. Every (token, slot)
is in exactly one share, and a row travels once to each worker however many of its experts want it. Not here:
which replica hosts an expert this time (`router.host_table`), frames and sending. Pure, and in numpy, whose
calls take a third of torch's time on a handful of tokens.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Share(NamedTuple):
    """What one worker does: row `tokens[rows[i]]` through expert `experts[i]`, for place `slots[i]`."""

    worker: int  # as the placement numbers them
    tokens: Integers  # [rows] which of the step's tokens travel, in rising order
    rows: Integers  # [assignments] into `tokens`, in rising order
    experts: Integers  # [assignments] as the layer numbers them
    slots: Integers  # [assignments] token · top_k + slot

    @property
    def num_assignments(self) -> int:
        return len(self.slots)


def plan_dispatch(expert_ids: Integers, expert_to_worker: Integers) -> list[Share]:
    """expert_ids: [tokens, top_k], expert_to_worker: [experts] -> shares in the order of their workers."""
    experts = expert_ids.ravel()  # [tokens * top_k]
    slots = _everything(*expert_ids.shape).slots
    return _cut_by_worker(slots, experts, expert_to_worker[experts], expert_ids.shape[1])


def everything_to(worker: int, expert_ids: Integers) -> list[Share]:
    """The same where one worker hosts every expert; expert_ids: [tokens, top_k]"""
    tokens, rows, slots = _everything(*expert_ids.shape)
    return [Share(worker, tokens, rows, expert_ids.ravel(), slots)]


class _Everything(NamedTuple):
    """The share of one worker that does it all."""

    tokens: Integers
    rows: Integers
    slots: Integers


@lru_cache(maxsize=8)
def _everything(num_tokens: int, top_k: int) -> _Everything:
    slots = np.arange(num_tokens * top_k)
    arrays = _Everything(np.arange(num_tokens), slots // top_k, slots)
    for array in arrays:
        array.flags.writeable = False
    return arrays


def share_out(slots: Integers, experts: Integers, expert_to_worker: Integers, top_k: int) -> list[Share]:
    """The same for some (token, slot) places alone, in rising order; experts: [slots]."""
    return _cut_by_worker(slots, experts, expert_to_worker[experts], top_k)


def _cut_by_worker(slots: Integers, experts: Integers, workers: Integers, top_k: int) -> list[Share]:
    """experts, workers: [slots]"""
    shares = []
    for worker in np.unique(workers).tolist():
        chosen = np.flatnonzero(workers == worker)
        shares.append(_share(worker, slots[chosen], experts[chosen], top_k))
    return shares


def cut(share: Share, most_assignments: int, top_k: int) -> Iterator[Share]:
    """The same work in shares of at most so many assignments, for frames of a bounded size."""
    if share.num_assignments <= most_assignments:
        yield share
        return
    for start in range(0, share.num_assignments, most_assignments):
        part = slice(start, start + most_assignments)
        yield _share(share.worker, share.slots[part], share.experts[part], top_k)


def _share(worker: int, slots: Integers, experts: Integers, top_k: int) -> Share:
    tokens = slots // top_k  # [assignments]
    is_new = np.empty(len(tokens), dtype=np.bool_)
    is_new[0] = True
    np.not_equal(tokens[1:], tokens[:-1], out=is_new[1:])
    return Share(worker, tokens[is_new], np.cumsum(is_new) - 1, experts, slots)
