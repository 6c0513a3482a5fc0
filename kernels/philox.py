"""Random numbers as a function: Philox 4x32-10 of (seed, position, stream), in torch integer operations.

    key      word 0, 1   the seed, low word first
    counter  word 0, 1   the position of the token in its sequence, low word first
             word 2      the stream: what the draw is for
             word 3      the choice: which of several answers to one request

Not a generator: nothing is advanced or stored, so a token that another worker draws again comes out the
same, whatever shares its batch. Philox is from Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
SC11; the constants are Random123's. `model.sampling` calls `uniform`.
"""

from enum import IntEnum

from torch import Tensor

Words = tuple[Tensor, ...]
"""Unsigned 32-bit words, one tensor [rows] of int64 for each."""

_ROUNDS = 10
_MULTIPLIERS = (0xD251_1F53, 0xCD9E_8D57)
_KEY_STEPS = (0x9E37_79B9, 0xBB67_AE85)
_WORD_MASK = 0xFFFF_FFFF


class Stream(IntEnum):
    """What a draw decides. Two uses of chance at one position take two streams and never share a number."""

    TOKEN = 0


def uniform(
    seeds: Tensor, positions: Tensor, stream: Stream = Stream.TOKEN, choices: Tensor | None = None
) -> Tensor:
    """One number in [0, 1) for each row, from 53 bits: every value is a multiple of 2⁻⁵³.

    `seeds` and `positions` are [rows] int64, any value, `choices` [rows] int64 from 0 (if left out, all 0) to
    2³² − 1; the result is [rows] float64.
    """
    purpose = positions.new_full(positions.shape, int(stream))  # [rows]
    choices = positions.new_zeros(positions.shape) if choices is None else choices
    counter = (*_split(positions), purpose, choices)
    high, low, *_ = philox(counter, _split(seeds))  # [rows] each
    return (((high >> 5) << 26) | (low >> 6)).double() * 2.0**-53


def philox(counter: Words, key: Words) -> Words:
    """The four output words of four counter words under two key words."""
    first, second, third, fourth = counter
    first_key, second_key = key
    for _ in range(_ROUNDS):
        first_high, first_low = _multiply(first, _MULTIPLIERS[0])
        third_high, third_low = _multiply(third, _MULTIPLIERS[1])
        first, second = third_high ^ second ^ first_key, third_low
        third, fourth = first_high ^ fourth ^ second_key, first_low
        first_key = (first_key + _KEY_STEPS[0]) & _WORD_MASK
        second_key = (second_key + _KEY_STEPS[1]) & _WORD_MASK
    return first, second, third, fourth


def _multiply(words: Tensor, multiplier: int) -> tuple[Tensor, Tensor]:
    """High and low word. The signed product wraps modulo 2⁶⁴ and so has the bits of the unsigned one."""
    product = words * multiplier  # [rows]
    return (product >> 32) & _WORD_MASK, product & _WORD_MASK


def _split(values: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high word of 64-bit values."""
    return values & _WORD_MASK, (values >> 32) & _WORD_MASK
