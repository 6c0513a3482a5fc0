"""Which worker was lately sent a prompt that begins like this one: its cache may still hold the beginning.

It guesses, from what went where: what a worker's cache has since lost, nobody says. Pure, and bounded.
Not here: how busy workers are, and which is chosen (`failover_link`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from workers.cache.page_digests import PageDigests

_BLOCK_TOKENS = 128
_MOST_BLOCKS = 256
"""Of one prompt: what differs only behind so many blocks is alike."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The leading blocks of a prompt, as digests that no other salt or prefix has."""

    digests: Sequence[bytes]

    @classmethod
    def of(cls, prompt: Sequence[int], salt: bytes) -> "Beginning":
        num_blocks = min(len(prompt) // _BLOCK_TOKENS, _MOST_BLOCKS)
        return cls(PageDigests(salt, _BLOCK_TOKENS).first(num_blocks, prompt))


class Nearest(NamedTuple):
    """A worker, and how many blocks of the prompt went there before."""

    address: str
    num_blocks: int


class PrefixAffinity:
    """`note` where a prompt goes; `nearest` says who had the longest beginning of one."""

    def __init__(self, max_blocks: int) -> None:
        self._max_blocks = max_blocks
        self._digest_to_address: dict[bytes, str] = {}  # the last one used stands last

    def nearest(self, beginning: Beginning, addresses: Collection[str]) -> Nearest | None:
        """None: nobody of these has had any of it."""
        for num_blocks in range(len(beginning.digests), 0, -1):
            address = self._digest_to_address.get(beginning.digests[num_blocks - 1])
            if address is not None and address in addresses:
                return Nearest(address, num_blocks)
        return None

    def note(self, beginning: Beginning, address: str) -> None:
        for digest in beginning.digests:
            self._digest_to_address.pop(digest, None)
            self._digest_to_address[digest] = address
        for _ in range(len(self._digest_to_address) - self._max_blocks):
            del self._digest_to_address[next(iter(self._digest_to_address))]
