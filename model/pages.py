"""The cache pages of one sequence. Plain numbers: no tensors, no clock.

Two tables: `full` keeps every page, `sliding` gives back the pages that lie wholly behind the window.
model.step_batch turns the tables into tensors.
"""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from model.page_pool import PagePool


class TableRow(NamedTuple):
    """One sequence's pages in order; the first of them is page number `first_page` of the sequence.

    A view of the sequence's own table: whoever keeps it beyond a step copies it.
    """

    pages: "array[int]"  # int64
    first_page: int


class SequencePages:
    """The two tables of one sequence, and how many positions they have room for."""

    def __init__(self, pool: PagePool, page_size: int, sliding_window: int) -> None:
        self.page_size = page_size
        self._pool = pool
        self._sliding_window = sliding_window
        self._full = array("q")
        self._sliding = array("q")
        self._sliding_first_page = 0
        self._room = 0  # positions that both tables have pages for

    @property
    def full(self) -> TableRow:
        return TableRow(self._full, first_page=0)

    @property
    def sliding(self) -> TableRow:
        return TableRow(self._sliding, self._sliding_first_page)

    def adopt(self, full: Sequence[int], sliding: Sequence[int]) -> None:
        """Begin with pages that others have filled: of the whole prefix, and the last ones of its window.

        They are shared and never written: a sequence writes behind its last full page only.
        """
        assert not self._full, "only a sequence without pages can adopt some"
        self._pool.share(full)
        self._pool.share(sliding)
        self._full = array("q", full)
        self._sliding = array("q", sliding)
        self._sliding_first_page = len(full) - len(sliding)
        self._room = len(full) * self.page_size

    def num_missing(self, num_positions: int, *, num_reserved: int = 0) -> int:
        """How many pages `make_room` and `reserve` would take for these."""
        if num_positions <= self._room and num_reserved <= self._room:
            return 0
        return self._missing_full(max(num_positions, num_reserved)) + self._missing_sliding(num_positions)

    def make_room(self, num_positions: int) -> None:
        """Pages for positions 0 … num_positions − 1 in both tables; on CapacityError nothing has changed."""
        if num_positions <= self._room:
            return
        missing_full = self._missing_full(num_positions)
        pages = self._pool.take(missing_full + self._missing_sliding(num_positions))
        self._full.extend(pages[:missing_full])
        self._sliding.extend(pages[missing_full:])
        self._room = (self._sliding_first_page + len(self._sliding)) * self.page_size

    def reserve(self, num_positions: int) -> None:
        """Pages for these positions in the full table alone, before any step needs them."""
        self._full.extend(self._pool.take(self._missing_full(num_positions)))

    def release_behind(self, next_position: int) -> None:
        """Give back sliding pages that no query at `next_position` or later can see."""
        first_visible = max(0, next_position - self._sliding_window + 1)
        num_dead = min(first_visible // self.page_size - self._sliding_first_page, len(self._sliding))
        if num_dead > 0:
            self._pool.give_back(self._sliding[:num_dead])
            del self._sliding[:num_dead]
            self._sliding_first_page += num_dead

    def release(self) -> None:
        """Give everything back, the last pages first; the object is then as new."""
        self._pool.give_back(self._full[::-1])
        self._pool.give_back(self._sliding[::-1])
        self._full, self._sliding = array("q"), array("q")
        self._sliding_first_page = self._room = 0

    def _missing_full(self, num_positions: int) -> int:
        return max(0, -(-num_positions // self.page_size) - len(self._full))

    def _missing_sliding(self, num_positions: int) -> int:
        num_pages = -(-num_positions // self.page_size)
        return max(0, num_pages - self._sliding_first_page - len(self._sliding))
