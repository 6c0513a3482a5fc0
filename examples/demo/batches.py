"""Conversations as tensors: groups of about equal length, padded inside a group, all groups one after the
other.

So attention never crosses conversations, and everything else runs over all tokens at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from examples.demo.rendering import Rendered

_LENGTHS = 16
"""Groups are padded to multiples of it: for each new shape a matrix library writes its code anew."""


@dataclass(frozen=True, slots=True)
class Batch:
    """N tokens of all groups, padding included; R of them are followed by a token that is learned."""

    group_shapes: tuple[tuple[int, int], ...]  # (conversations, padded length)
    token_ids: Tensor  # [N] int64
    positions: Tensor  # [N] int64
    is_real: Tensor  # [N] bool; false: padding
    rows: Tensor  # [R] int64: where what follows is learned
    targets: Tensor  # [R] int64: what follows

    @property
    def num_real(self) -> int:
        return int(self.is_real.sum())


def make_batch(rendered: Sequence[Rendered], num_groups: int) -> Batch:
    ordered = sorted(rendered, key=len)
    token_ids: list[int] = []
    positions: list[int] = []
    is_real: list[bool] = []
    rows: list[int] = []
    targets: list[int] = []
    shapes = []
    for group in _cut(ordered, num_groups):
        length = -(-(max(map(len, group)) - 1) // _LENGTHS) * _LENGTHS  # nothing follows the last token
        shapes.append((len(group), length))
        for each in group:
            tokens = (*each.prompt, *each.reply)
            first_row = len(token_ids)
            padding = length - (len(tokens) - 1)
            rows += range(first_row + len(each.prompt) - 1, first_row + len(tokens) - 1)
            targets += each.reply
            token_ids += (*tokens[:-1], *([0] * padding))
            positions += range(length)
            is_real += [True] * (len(tokens) - 1) + [False] * padding
    return Batch(
        tuple(shapes),
        torch.tensor(token_ids),
        torch.tensor(positions),
        torch.tensor(is_real),
        torch.tensor(rows),
        torch.tensor(targets),
    )


def _cut(ordered: Sequence[Rendered], num_groups: int) -> Iterator[Sequence[Rendered]]:
    """Into groups of about as many tokens each."""
    share = sum(map(len, ordered)) / num_groups
    first, so_far = 0, 0
    for index, each in enumerate(ordered):
        so_far += len(each)
        if so_far >= share or index == len(ordered) - 1:
            yield ordered[first : index + 1]
            first, so_far = index + 1, 0
