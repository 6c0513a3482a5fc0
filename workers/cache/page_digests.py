"""What a page holds, as a number that nobody can guess: a chain of digests over the tokens before it.

The digest of a page covers its own tokens and the digest of the page before, so equal digests mean equal
prefixes. The chain starts from a salt: two tenants with different salts never meet.
"""

from array import array
from collections.abc import Sequence
from copy import copy
from hashlib import blake2b

_DIGEST_BYTES = 16
_TOKEN_TYPE = "I"  # 32 bits


class PageDigests:
    """The digests of one sequence's whole pages, computed once each.

    Those of a long prompt take milliseconds: `copy` lets the choices of a request begin with the same.
    """

    def __init__(self, salt: bytes, page_size: int) -> None:
        self._page_size = page_size
        self._root = blake2b(salt, digest_size=_DIGEST_BYTES, person=b"prefix-salt").digest()
        self._digests: list[bytes] = []

    def copy(self) -> "PageDigests":
        """For another sequence that begins with the same tokens, and then goes its own way."""
        twin = copy(self)
        twin._digests = list(self._digests)
        return twin

    def first(self, num_pages: int, token_ids: Sequence[int]) -> Sequence[bytes]:
        """The first `num_pages` of them; `token_ids` may have grown since the last call, not changed."""
        for page in range(len(self._digests), num_pages):
            tokens = token_ids[page * self._page_size : (page + 1) * self._page_size]
            assert len(tokens) == self._page_size, "only whole pages have a digest"
            parent = self._digests[-1] if self._digests else self._root
            content = array(_TOKEN_TYPE, tokens).tobytes()
            self._digests.append(blake2b(parent + content, digest_size=_DIGEST_BYTES).digest())
        return self._digests[:num_pages]

    def __getitem__(self, page: int) -> bytes:
        """Of a page that `first` has been asked for."""
        return self._digests[page]
