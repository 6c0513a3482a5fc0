"""Which cache pages are whose. Plain numbers: no tensors, no clock.

A page is blank, used, or kept. Used: by one sequence, or by several that share a prefix. Kept: by no
sequence, but what it holds may be wanted again; such a page is handed out too, when no blank one is left, and
the one that was let go longest ago goes first. Who wants content kept (a prefix index) says so page by page.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from protos.errors import CapacityError


class PagePool:
    """Hands out page numbers 0 … num_pages − 1."""

    def __init__(self, num_pages: int) -> None:
        self.num_pages = num_pages
        self._blank = list(range(num_pages - 1, -1, -1))
        self._kept: OrderedDict[int, None] = OrderedDict()  # least recently used first
        self._num_users = [0] * num_pages
        self._worth_keeping = bytearray(num_pages)
        self._on_reuse: Callable[[int], None] | None = None

    @property
    def num_free(self) -> int:
        """Pages that may be taken: blank and kept ones."""
        return len(self._blank) + len(self._kept)

    @property
    def num_kept(self) -> int:
        return len(self._kept)

    @property
    def blank_pages(self) -> tuple[int, ...]:
        """Pages whose content nobody may read."""
        return tuple(self._blank)

    def num_users(self, page: int) -> int:
        return self._num_users[page]

    def tell_on_reuse(self, listener: Callable[[int], None]) -> None:
        """`listener` hears of each kept page that is handed out, before its content is lost."""
        assert self._on_reuse is None, "a pool has one listener"
        self._on_reuse = listener

    def take(self, count: int) -> list[int]:
        """All of `count` pages for one user, or an error and none."""
        if count > self.num_free:
            raise CapacityError(
                f"{count} cache pages are wanted and {self.num_free} of {self.num_pages} are free; wait "
                f"for a sequence to end, or give the cache more pages"
            )
        pages = [self._blank.pop() if self._blank else self._reuse() for _ in range(count)]
        for page in pages:
            self._num_users[page] = 1
        return pages

    def share(self, pages: Iterable[int]) -> None:
        """One more user for each of these, which are used or kept."""
        for page in pages:
            if self._num_users[page] == 0:
                del self._kept[page]  # KeyError: a blank page has nothing to share
            self._num_users[page] += 1

    def give_back(self, pages: Sequence[int]) -> None:
        """One user less for each; the first of those that are kept will be the first to be reused."""
        for page in pages:
            if self._num_users[page] == 0:
                raise KeyError(page)
            self._num_users[page] -= 1
            if self._num_users[page] == 0:
                if self._worth_keeping[page]:
                    self._kept[page] = None
                else:
                    self._blank.append(page)

    def keep(self, pages: Iterable[int]) -> None:
        """What these used pages hold will be worth keeping when their users have left."""
        for page in pages:
            assert self._num_users[page] > 0 or page in self._kept, "a blank page holds nothing to keep"
            self._worth_keeping[page] = True

    def forget(self, page: int) -> None:
        """What this page holds is not worth keeping any more."""
        self._worth_keeping[page] = False
        if page in self._kept:
            del self._kept[page]
            self._blank.append(page)

    def touch(self, pages: Iterable[int]) -> None:
        """Those of these that are kept will be the last to be reused."""
        for page in pages:
            if page in self._kept:
                self._kept.move_to_end(page)

    def _reuse(self) -> int:
        page, _ = self._kept.popitem(last=False)
        self._worth_keeping[page] = False
        if self._on_reuse is not None:
            self._on_reuse(page)  # may forget other pages, which are blank then
        return page
