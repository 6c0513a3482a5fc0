"""The pages of one sequence, shared with others wherever they hold the same tokens. No tensors, no clock.

Not here: when a sequence may have pages (the scheduler) and what is found by which digest (PrefixIndex).

Only whole pages are shared, so nothing is ever copied: a sequence begins with the pages of a hit and writes
behind them. It offers its own pages as they fill up. The tails, which later sequences need to go on from a
border, are offered where that is likely: at the end of the prompt, every `checkpoint_interval` tokens, and
where the sequence lets go (the end of a turn, or preemption).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from model.page_pool import PagePool
from model.pages import SequencePages
from workers.cache.page_digests import PageDigests
from workers.cache.prefix_index import PrefixIndex


@dataclass(frozen=True, slots=True)
class CacheLayout:
    """What all sequences of one worker have in common."""

    page_size: int
    sliding_window: int
    checkpoint_interval: int = 2048

    def border_before(self, num_positions: int) -> int:
        """The last border of a page at or before this many positions."""
        return num_positions // self.page_size * self.page_size

    def num_pages(self, num_positions: int) -> int:
        return -(-num_positions // self.page_size)

    def most_sliding_pages(self, num_positions: int, chunk: int) -> int:
        """The most that a sequence's sliding table holds at once, when it comes in chunks of this size."""
        # One page more for a window that begins inside a page, one for what stays back until a border.
        return min(self.num_pages(num_positions), self.num_pages(self.sliding_window + chunk) + 2)


class CachedPages:
    """The tables of one sequence, from its begin to its release, after which it may begin again."""

    def __init__(
        self, pool: PagePool, index: PrefixIndex, layout: CacheLayout, digests: PageDigests, num_prompt: int
    ) -> None:
        """`digests` are this sequence's own from now on."""
        self.tables = SequencePages(pool, layout.page_size, layout.sliding_window)
        self._pool = pool
        self._index = index
        self._layout = layout
        self._digests = digests
        self._end_of_prompt = layout.border_before(max(0, num_prompt - 1))
        self._num_offered = 0  # whole pages
        self._checkpoints: list[bytes] = []

    def begin(self, token_ids: Sequence[int]) -> int:
        """Adopt what is there of these tokens, but for the last one; -> how many positions that is."""
        num_pages = (len(token_ids) - 1) // self._layout.page_size
        digests = self._digests.first(num_pages, token_ids)
        hit = self._index.longest(digests)
        self.tables.adopt(hit.full, hit.tail)
        self._num_offered = len(hit.full)
        if hit.full:
            self._checkpoints.append(digests[len(hit.full) - 1])
        return len(hit.full) * self._layout.page_size

    def advance(self, num_computed: int, token_ids: Sequence[int]) -> None:
        """The first `num_computed` of these tokens have their keys and values in the cache."""
        num_whole = num_computed // self._layout.page_size
        if num_whole > self._num_offered:
            self._offer(num_whole, token_ids)
            self.tables.release_behind(num_whole * self._layout.page_size)

    def release(self) -> None:
        """Let go of every page, and leave what is whole where others find it."""
        for page in range(self._num_offered):  # again: the twin that was first may have gone
            self._index.add(self._digests[page], self.tables.full.pages[page])
        if self._num_offered:
            self._checkpoint(self._num_offered)
        self._let_go()

    def discard(self) -> None:
        """Let go of every page, and see to it that nobody finds what is in them."""
        for page in self.tables.full.pages:
            self._index.drop(page)
        for page in self.tables.sliding.pages:
            self._index.drop(page)
        self._let_go()

    def _let_go(self) -> None:
        """As new; the tails that are still found are as young as the pages that they belong to."""
        self.tables.release()
        for digest in self._checkpoints:
            self._pool.touch(self._index.tail_of(digest))
        self._num_offered = 0
        self._checkpoints.clear()

    def _offer(self, num_whole: int, token_ids: Sequence[int]) -> None:
        self._digests.first(num_whole, token_ids)
        full = self.tables.full.pages
        for page in range(self._num_offered, num_whole):
            self._index.add(self._digests[page], full[page])
            if self._is_checkpoint((page + 1) * self._layout.page_size):
                self._checkpoint(page + 1)
        self._num_offered = num_whole

    def _is_checkpoint(self, border: int) -> bool:
        return border == self._end_of_prompt or border % self._layout.checkpoint_interval == 0

    def _checkpoint(self, num_pages: int) -> None:
        """Offer the window that ends at this border, if the sliding table still has it."""
        border = num_pages * self._layout.page_size
        first_page = max(0, border - self._layout.sliding_window + 1) // self._layout.page_size
        sliding = self.tables.sliding
        if first_page < sliding.first_page:
            return
        tail = sliding.pages[first_page - sliding.first_page : num_pages - sliding.first_page]
        digest = self._digests[num_pages - 1]
        self._index.add_tail(digest, tail)
        self._checkpoints.append(digest)
