"""What one sequence holds, offers and lets go. That hits are right to the bit is shown on a real model
(tests/workers/engine/test_prefix_reuse.py)."""

import pytest

from model.page_pool import PagePool
from workers.cache.cached_pages import CachedPages, CacheLayout
from workers.cache.page_digests import PageDigests
from workers.cache.prefix_index import PrefixIndex

LAYOUT = CacheLayout(page_size=4, sliding_window=10, checkpoint_interval=24)


class House:
    """A pool, its index, and sequences that compute as they are told."""

    def __init__(self, num_pages: int = 60) -> None:
        self.pool = PagePool(num_pages)
        self.index = PrefixIndex(self.pool)

    def sequence(self, num_prompt: int) -> CachedPages:
        return CachedPages(self.pool, self.index, LAYOUT, PageDigests(b"", LAYOUT.page_size), num_prompt)

    def compute(self, pages: CachedPages, tokens: list[int], chunk: int, first: int = 0) -> None:
        for stop in range(first + chunk, len(tokens) + chunk, chunk):
            num_positions = min(stop, len(tokens))
            pages.tables.make_room(num_positions)
            pages.advance(num_positions, tokens)

    def found(self, tokens: list[int]) -> int:
        """How many of these a newcomer finds."""
        probe = self.sequence(len(tokens))
        num_found = probe.begin(tokens)
        probe.tables.release()
        return num_found


@pytest.mark.parametrize("chunk", [1, 3, 4, 9])
def test_the_sliding_table_stays_as_short_as_the_window(chunk: int) -> None:
    house = House()
    pages = house.sequence(100)
    tokens = list(range(100))
    for stop in range(chunk, 100, chunk):
        pages.tables.make_room(stop)
        assert len(pages.tables.sliding.pages) <= LAYOUT.most_sliding_pages(stop, chunk)
        pages.advance(stop, tokens)
        visible_from = max(0, stop - LAYOUT.sliding_window + 1)
        assert pages.tables.sliding.first_page <= visible_from // 4
        assert pages.tables.sliding.first_page >= visible_from // 4 - 1  # one stays back until a border
    assert house.pool.num_pages - house.pool.num_free <= 25 + 5


def test_checkpoints_are_where_one_will_go_on() -> None:
    house = House()
    tokens = list(range(61))
    pages = house.sequence(num_prompt=38)
    house.compute(pages, tokens, chunk=7)
    ends = {length: house.found([*tokens[:length], 99]) for length in range(1, 61)}
    assert set(ends.values()) == {0, 24, 36, 48}  # every 24 tokens, and the end of the prompt
    assert all(num_found <= length for length, num_found in ends.items())
    pages.release()
    assert house.found(tokens) == 60  # where it let go


def test_nothing_is_found_of_what_was_discarded() -> None:
    house = House()
    tokens = list(range(50))
    pages = house.sequence(50)
    house.compute(pages, tokens, chunk=16)
    assert house.found(tokens) == 48
    pages.discard()
    assert house.found(tokens) == 0
    assert house.pool.num_kept == 0
    assert house.pool.num_free == 60


def found_under_pressure(num_reused: int) -> tuple[int, int]:
    """Of an older and of a younger conversation, when so many of the kept pages were handed out."""
    house = House(num_pages=40)
    old, young = list(range(100, 148)), list(range(200, 248))
    for tokens in (old, young):
        pages = house.sequence(num_prompt=25)
        house.compute(pages, tokens, chunk=8)
        pages.release()
    house.pool.take(len(house.pool.blank_pages) + num_reused)
    return house.found([*old, 1]), house.found([*young, 1])


def test_under_pressure_the_oldest_goes_first_and_its_prompt_last() -> None:
    """The tail at the prompt's end, let go long before, is as young as the pages that it belongs to."""
    found = [found_under_pressure(count) for count in range(16)]
    from_old = [old for old, _ in found]
    assert from_old == sorted(from_old, reverse=True)
    assert set(from_old) == {48, 24, 0}
    assert all(young == 48 for old, young in found if old > 0)


def test_the_twin_of_a_page_that_has_gone_takes_its_place() -> None:
    """Two compute the same at once; the first is indexed, ends and is evicted; the second offers its own."""
    house = House(num_pages=60)
    tokens = list(range(33))
    first, second = house.sequence(33), house.sequence(33)
    for pages in (first, second):
        house.compute(pages, tokens, chunk=33)
    first.release()
    house.pool.give_back(house.pool.take(house.pool.num_free))  # everything that is kept is handed out
    assert house.found(tokens) == 0
    second.release()
    assert house.found(tokens) == 32
