"""Which items are for training and which are held out: decided by the item's content alone, once and for all.

So no question of a held-out set is ever asked in training, whatever the seed; a sum of it may stand there in
an earlier turn, or in a tool's result. Every task draws through this.
"""

from collections.abc import Callable
from enum import Enum, auto
from hashlib import blake2b
from random import Random
from typing import TypeVar

_ONE_IN = 10
T = TypeVar("T")


class Split(Enum):
    TRAINING = auto()
    HELD_OUT = auto()

    def holds(self, key: str) -> bool:
        """`key` is what makes the item itself: the numbers of a sum, not the words around them."""
        is_held_out = _hash(key) % _ONE_IN == 0
        return is_held_out is (self is Split.HELD_OUT)


def draw(random: Random, split: Split, make: Callable[[Random], T], key: Callable[[T], str]) -> T:
    """An item of that side."""
    while True:
        item = make(random)
        if split.holds(key(item)):
            return item


def part(items: tuple[str, ...], num_held_out: int, split: Split) -> tuple[str, ...]:
    """Of a few items, so many are held out: those whose hashes are lowest."""
    ordered = sorted(items, key=_hash)
    return tuple(ordered[:num_held_out] if split is Split.HELD_OUT else ordered[num_held_out:])


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little")
