"""The page pool and the two tables, driven at random against a plain model of what must be visible."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from model.pages import PagePool, SequencePages
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
        before = (pages.full, pages.sliding, self.pool.num_free)
        try:
            pages.make_room(self.lengths[pages] + chunk)
        except CapacityError:
            assert (pages.full, pages.sliding, self.pool.num_free) == before
            return
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


def test_a_page_cannot_be_given_back_twice() -> None:
    pool = PagePool(3)
    pages = pool.take(2)
    pool.give_back(pages)
    with pytest.raises(KeyError):
        pool.give_back(pages)


def test_the_error_says_what_is_wanted_and_what_is_free() -> None:
    pool = PagePool(3)
    pool.take(2)
    with pytest.raises(CapacityError, match="2 cache pages are wanted and 1 of 3 are free"):
        pool.take(2)


def test_looking_back_releases_nothing() -> None:
    pool = PagePool(NUM_PAGES)
    pages = SequencePages(pool, PAGE_SIZE, WINDOW)
    pages.make_room(40)
    pages.release_behind(30)
    before = (pages.sliding, pool.num_free)
    pages.release_behind(20)
    assert (pages.sliding, pool.num_free) == before
