"""The page pool against a plain model of who uses what, and of what is kept in which order."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from model.page_pool import PagePool
from protos.errors import CapacityError

NUM_PAGES = 7


class Pool(RuleBasedStateMachine):
    """`users` and `kept` are what the pool should think; `kept` in the order of reuse."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = PagePool(NUM_PAGES)
        self.pool.tell_on_reuse(self.hear)
        self.users: dict[int, int] = {}
        self.kept: list[int] = []
        self.worthy: set[int] = set()
        self.heard: list[int] = []

    def hear(self, page: int) -> None:
        self.heard.append(page)

    @rule(count=st.integers(0, 4))
    def take(self, count: int) -> None:
        blank = NUM_PAGES - len(self.users) - len(self.kept)
        if count > blank + len(self.kept):
            with pytest.raises(CapacityError, match=f"{count} cache pages are wanted and .* of 7 are free"):
                self.pool.take(count)
            return
        num_reused = max(0, count - blank)
        reused, self.kept = self.kept[:num_reused], self.kept[num_reused:]
        taken = self.pool.take(count)
        assert self.heard == reused
        self.heard.clear()
        self.worthy -= set(reused)
        assert len(set(taken)) == count
        assert not set(taken) & (self.users.keys() | set(self.kept))
        self.users |= dict.fromkeys(taken, 1)

    @precondition(lambda self: self.users or self.kept)
    @rule(data=st.data())
    def share(self, data: st.DataObject) -> None:
        page = data.draw(st.sampled_from([*self.users, *self.kept]))
        self.pool.share([page])
        if page in self.kept:
            self.kept.remove(page)
        self.users[page] = self.users.get(page, 0) + 1

    @precondition(lambda self: self.users)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        page = data.draw(st.sampled_from(list(self.users)))
        self.pool.give_back([page])
        self.users[page] -= 1
        if self.users[page] == 0:
            del self.users[page]
            if page in self.worthy:
                self.kept.append(page)

    @precondition(lambda self: self.users or self.kept)
    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        page = data.draw(st.sampled_from([*self.users, *self.kept]))
        self.pool.keep([page])
        self.worthy.add(page)

    @rule(page=st.integers(0, NUM_PAGES - 1))
    def forget(self, page: int) -> None:
        self.pool.forget(page)
        self.worthy.discard(page)
        if page in self.kept:
            self.kept.remove(page)

    @rule(pages=st.lists(st.integers(0, NUM_PAGES - 1), unique=True))
    def touch(self, pages: list[int]) -> None:
        self.pool.touch(pages)
        for page in pages:
            if page in self.kept:
                self.kept.remove(page)
                self.kept.append(page)

    @invariant()
    def every_page_is_in_one_state(self) -> None:
        blank = set(self.pool.blank_pages)
        assert blank == set(range(NUM_PAGES)) - self.users.keys() - set(self.kept)
        assert self.pool.num_kept == len(self.kept)
        assert self.pool.num_free == NUM_PAGES - len(self.users)
        assert all(self.pool.num_users(page) == self.users.get(page, 0) for page in range(NUM_PAGES))


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_page_cannot_be_given_back_twice() -> None:
    pool = PagePool(3)
    pages = pool.take(2)
    pool.give_back(pages)
    with pytest.raises(KeyError):
        pool.give_back(pages)


def test_a_blank_page_can_be_neither_shared_nor_kept() -> None:
    pool = PagePool(3)
    with pytest.raises(KeyError):
        pool.share([1])
    with pytest.raises(AssertionError, match="holds nothing"):
        pool.keep([1])


def test_what_the_listener_forgets_is_handed_out_next() -> None:
    """As a prefix index does: when a page goes, the tail that hangs on it is of no use."""
    pool = PagePool(3)
    first, second, third = pool.take(3)
    pool.keep([first, second, third])
    pool.give_back([first, second, third])
    pool.tell_on_reuse(lambda page: pool.forget(third) if page == first else None)
    assert pool.take(2) == [first, third]
    assert pool.num_kept == 1
