"""Finds the pages of a prefix that some sequence has computed before. Plain numbers: no tensors, no clock.

An entry is one whole page of a prefix, under its digest: the page of the full table, and, at some borders,
the tail: the pages of the sliding table that hold the window before the border. To go on from a border one
needs every full page before it and the tail at it, so a hit ends where a tail is.

Pages belong to the pool (model.page_pool): the index only asks it to keep them, and hears when it hands one
out again. A tail goes with its page, and a page without which nothing can be found goes when its turn comes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from model.page_pool import PagePool


@dataclass(frozen=True, slots=True)
class Hit:
    """Pages that hold a prefix: of the full table all, of the sliding table the last ones."""

    full: tuple[int, ...] = ()
    tail: tuple[int, ...] = ()


@dataclass(slots=True, eq=False)
class _Entry:
    digest: bytes
    page: int
    tail: tuple[int, ...] | None = None


class PrefixIndex:
    """Digest → page, and the tails at some of them."""

    def __init__(self, pool: PagePool) -> None:
        self._pool = pool
        self._digest_to_entry: dict[bytes, _Entry] = {}
        self._page_to_entry: dict[int, _Entry] = {}
        self._page_to_tails: dict[int, list[_Entry]] = {}
        pool.tell_on_reuse(self.drop)

    def __len__(self) -> int:
        return len(self._digest_to_entry)

    def longest(self, digests: Sequence[bytes]) -> Hit:
        """The longest prefix of these that one can go on from."""
        pages: list[int] = []
        num_usable = 0
        tail: tuple[int, ...] = ()
        for digest in digests:
            entry = self._digest_to_entry.get(digest)
            if entry is None:
                break
            pages.append(entry.page)
            if entry.tail is not None:
                num_usable, tail = len(pages), entry.tail
        return Hit(tuple(pages[:num_usable]), tail)

    def add(self, digest: bytes, page: int) -> None:
        """`page` of a full table holds what `digest` says. Of two pages that do, the first stays."""
        if digest in self._digest_to_entry or page in self._page_to_entry:
            return
        entry = _Entry(digest, page)
        self._digest_to_entry[digest] = entry
        self._page_to_entry[page] = entry
        self._pool.keep([page])

    def add_tail(self, digest: bytes, pages: Iterable[int]) -> None:
        """`pages` of a sliding table hold the window that ends where the page of `digest` ends."""
        entry = self._digest_to_entry.get(digest)
        if entry is None or entry.tail is not None:
            return
        entry.tail = tuple(pages)
        for page in entry.tail:
            self._page_to_tails.setdefault(page, []).append(entry)
        self._pool.keep(entry.tail)

    def tail_of(self, digest: bytes) -> tuple[int, ...]:
        """The tail at this border, empty if there is none."""
        entry = self._digest_to_entry.get(digest)
        return () if entry is None or entry.tail is None else entry.tail

    def drop(self, page: int) -> None:
        """Nothing may be found through `page` any more."""
        entry = self._page_to_entry.pop(page, None)
        if entry is not None:
            del self._digest_to_entry[entry.digest]
            self._drop_tail(entry)
            self._pool.forget(page)
        for entry in list(self._page_to_tails.get(page, ())):
            self._drop_tail(entry)

    def _drop_tail(self, entry: _Entry) -> None:
        for page in entry.tail or ():
            entries = self._page_to_tails[page]
            entries.remove(entry)
            if not entries:
                del self._page_to_tails[page]
                self._pool.forget(page)
        entry.tail = None
