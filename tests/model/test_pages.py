"""The two tables, driven at random against a plain model of what must be visible."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from model.page_pool import PagePool
from model.pages import SequencePages
from protos.errors import CapacityError

NUM_PAGES, PAGE_SIZE, WINDOW = 40, 4, 10


class Pages(RuleBasedStateMachine):
    """Sequences come, grow, slide and go; pages are conserved and every visible position has its page."""

    sequences = Bundle("sequences")

    def __init__(self) -> None:
        super().__init__()
        self.pool = PagePool(NUM_PAGES)
        self.lengths: dict[SequencePages, int] = {}

    @rule(target=sequences)
    def begin(self) -> SequencePages:
        pages = SequencePages(self.pool, PAGE_SIZE, WINDOW)
        self.lengths[pages] = 0
        return pages

    @rule(pages=sequences, chunk=st.integers(1, 30))
    def grow(self, pages: SequencePages, chunk: int) -> None:
        wanted = self.lengths[pages] + chunk
        before = (list(pages.full.pages), list(pages.sliding.pages), self.pool.num_free)
        missing = pages.num_missing(wanted)
        if missing > self.pool.num_free:
            with pytest.raises(CapacityError):
                pages.make_room(wanted)
            assert (list(pages.full.pages), list(pages.sliding.pages), self.pool.num_free) == before
            return
        pages.make_room(wanted)
        assert self.pool.num_free == before[2] - missing
        self.check_visible(pages, self.lengths[pages], chunk)
        self.lengths[pages] += chunk
        pages.release_behind(self.lengths[pages])

    def check_visible(self, pages: SequencePages, first_position: int, chunk: int) -> None:
        """Every position that a query of the chunk may see has a page in the table."""
        last_page = (first_position + chunk - 1) // PAGE_SIZE
        first_visible = max(0, first_position - WINDOW + 1)
        assert len(pages.full.pages) > last_page
        assert pages.sliding.first_page <= first_visible // PAGE_SIZE
        assert pages.sliding.first_page + len(pages.sliding.pages) > last_page

    @rule(pages=sequences, ahead=st.integers(1, 30))
    def reserve(self, pages: SequencePages, ahead: int) -> None:
        length = self.lengths[pages] + ahead
        if pages.num_missing(0, num_reserved=length) <= self.pool.num_free:
            sliding = list(pages.sliding.pages)
            pages.reserve(length)
            assert len(pages.full.pages) * PAGE_SIZE >= length
            assert list(pages.sliding.pages) == sliding

    @rule(pages=consumes(sequences))
    def end(self, pages: SequencePages) -> None:
        pages.release()
        del self.lengths[pages]

    @invariant()
    def each_page_has_one_owner(self) -> None:
        owned = [page for pages in self.lengths for page in pages.full.pages + pages.sliding.pages]
        assert len(owned) == len(set(owned))
        assert len(owned) + self.pool.num_free == NUM_PAGES

    @invariant()
    def no_dead_sliding_page_is_kept(self) -> None:
        for pages, length in self.lengths.items():
            first_visible = max(0, length - WINDOW + 1)
            assert pages.sliding.first_page == first_visible // PAGE_SIZE


TestPages = Pages.TestCase
TestPages.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_looking_back_releases_nothing() -> None:
    pool = PagePool(NUM_PAGES)
    pages = SequencePages(pool, PAGE_SIZE, WINDOW)
    pages.make_room(40)
    pages.release_behind(30)
    before = (list(pages.sliding.pages), pool.num_free)
    pages.release_behind(20)
    assert (list(pages.sliding.pages), pool.num_free) == before


def test_a_sequence_goes_on_from_pages_that_another_has_filled() -> None:
    pool = PagePool(NUM_PAGES)
    first = SequencePages(pool, PAGE_SIZE, WINDOW)
    first.make_room(20)
    first.release_behind(20)  # position 11 onwards: pages 2, 3, 4
    second = SequencePages(pool, PAGE_SIZE, WINDOW)
    second.adopt(list(first.full.pages), list(first.sliding.pages))
    second.make_room(21)
    assert second.sliding.first_page == first.sliding.first_page == 2
    assert list(second.full.pages[:5]) == list(first.full.pages)
    assert pool.num_free == NUM_PAGES - 5 - 3 - 2
    first.release()
    assert pool.num_free == NUM_PAGES - 5 - 3 - 2  # the second still has them
    second.release()
    assert pool.num_free == NUM_PAGES
