"""Which cache pages belong to which sequence. Plain numbers: no tensors, no clock.

One pool serves two tables per sequence: `full` keeps every page, `sliding` gives back the pages that lie
wholly behind the window. model.step_batch turns the tables into tensors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from protos.errors import CapacityError


class PagePool:
    """Hands out page numbers 0 … num_pages − 1, each to one owner at a time."""

    def __init__(self, num_pages: int) -> None:
        self.num_pages = num_pages
        self._free = list(range(num_pages - 1, -1, -1))
        self._taken: set[int] = set()

    @property
    def num_free(self) -> int:
        return len(self._free)

    @property
    def free_pages(self) -> tuple[int, ...]:
        return tuple(self._free)

    def take(self, count: int) -> list[int]:
        """All of `count` pages, or an error and none."""
        if count > self.num_free:
            raise CapacityError(
                f"{count} cache pages are wanted and {self.num_free} of {self.num_pages} are free; wait "
                f"for a sequence to end, or give the cache more pages"
            )
        pages = [self._free.pop() for _ in range(count)]
        self._taken.update(pages)
        return pages

    def give_back(self, pages: Sequence[int]) -> None:
        for page in pages:
            self._taken.remove(page)
            self._free.append(page)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One sequence's pages in order; the first of them is page number `first_page` of the sequence."""

    pages: tuple[int, ...]
    first_page: int


class SequencePages:
    """The two tables of one sequence, and how many positions they have room for."""

    def __init__(self, pool: PagePool, page_size: int, sliding_window: int) -> None:
        self.page_size = page_size
        self._pool = pool
        self._sliding_window = sliding_window
        self._full: list[int] = []
        self._sliding: list[int] = []
        self._sliding_first_page = 0

    @property
    def full(self) -> TableRow:
        return TableRow(tuple(self._full), first_page=0)

    @property
    def sliding(self) -> TableRow:
        return TableRow(tuple(self._sliding), self._sliding_first_page)

    def make_room(self, num_positions: int) -> None:
        """Pages for positions 0 … num_positions − 1 in both tables; on CapacityError nothing has changed."""
        num_pages = -(-num_positions // self.page_size)
        missing_full = max(0, num_pages - len(self._full))
        missing_sliding = max(0, num_pages - self._sliding_first_page - len(self._sliding))
        pages = self._pool.take(missing_full + missing_sliding)
        self._full += pages[:missing_full]
        self._sliding += pages[missing_full:]

    def release_behind(self, next_position: int) -> None:
        """Give back sliding pages that no query at `next_position` or later can see."""
        first_visible = max(0, next_position - self._sliding_window + 1)
        num_dead = min(max(0, first_visible // self.page_size - self._sliding_first_page), len(self._sliding))
        self._pool.give_back(self._sliding[:num_dead])
        del self._sliding[:num_dead]
        self._sliding_first_page += num_dead

    def release(self) -> None:
        """Give everything back; the object is then as new."""
        self._pool.give_back(self._full + self._sliding)
        self._full, self._sliding, self._sliding_first_page = [], [], 0
