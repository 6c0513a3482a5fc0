"""Speculative decoding without a second model: what followed the last time, may follow again.

Pure. A draft is a guess that costs a row of the next forward pass. The engine samples every row as it would
have without drafts, with the draw of its own position, and keeps drafts up to the first that came out
otherwise: so the tokens are the same with and without. A draft model fits the same seam: `Drafter`.
"""

from array import array
from collections.abc import Sequence
from typing import Protocol

from workers.engine.settings import DraftSettings

_TOKEN_TYPE = "I"
_LOOK_BACK = 4096
"""How far back a match is looked for: bounds the time that a step may take."""


class Drafter(Protocol):
    """Guesses how a sequence goes on."""

    def guess(self, tokens: Sequence[int]) -> Sequence[int]:
        """The tokens that may follow; empty when there is no idea."""
        ...


class LookupDrafter:
    """The latest place where the newest tokens stood before; the longest match wins."""

    def __init__(self, settings: DraftSettings) -> None:
        self._settings = settings

    def guess(self, tokens: Sequence[int]) -> Sequence[int]:
        recent = array(_TOKEN_TYPE, tokens[-_LOOK_BACK:])
        for length in range(self._settings.longest_match, self._settings.shortest_match - 1, -1):
            found = _last_match(recent, length)
            if found is not None:
                return recent[found + length : found + length + self._settings.num_tokens].tolist()
        return ()


def _last_match(tokens: "array[int]", length: int) -> int | None:
    """Where the last `length` tokens stood before, closest to the end; searches bytes, for speed."""
    if len(tokens) <= length:
        return None
    content, pattern = tokens.tobytes(), tokens[-length:].tobytes()
    place = content.rfind(pattern, 0, len(content) - 1)
    while place >= 0 and place % tokens.itemsize:  # a match of bytes that is none of tokens
        place = content.rfind(pattern, 0, place + len(pattern) - 1)
    return None if place < 0 else place // tokens.itemsize
