"""Who runs when, and who gives way: the rules one by one. The engine's own test tries them all at random."""

import pytest

from model.page_pool import PagePool
from workers.cache.cached_pages import CachedPages, CacheLayout
from workers.cache.page_digests import PageDigests
from workers.cache.prefix_index import PrefixIndex
from workers.engine.scheduler import Scheduler, Share
from workers.engine.sequence import Sequence
from workers.engine.settings import EngineSettings

PAGE_SIZE, WINDOW = 4, 6


class Stage:
    """A scheduler with sequences, and a step that computes nothing."""

    def __init__(self, num_pages: int = 100, max_running: int = 3, tokens_per_step: int = 10) -> None:
        self.pool = PagePool(num_pages)
        self.index = PrefixIndex(self.pool)
        self.scheduler = Scheduler(
            self.pool,
            EngineSettings(
                max_running=max_running,
                tokens_per_step=tokens_per_step,
                page_size=PAGE_SIZE,
                checkpoint_interval=8,
            ),
        )
        self.serial = 0

    def add(self, num_tokens: int, *, turn: int = 0, leader: Sequence | None = None) -> Sequence:
        """Each has tokens of its own, but a follower, which has its leader's."""
        self.serial += 1
        prompt = leader.tokens[: leader.num_prompt] if leader else [self.serial] * num_tokens
        layout = CacheLayout(PAGE_SIZE, WINDOW, 8)
        pages = CachedPages(self.pool, self.index, layout, PageDigests(b"", PAGE_SIZE), len(prompt))
        sequence = Sequence(prompt, pages, (turn, self.serial), leader=leader)
        self.scheduler.add(sequence)
        return sequence

    def step(self) -> dict[Sequence, int]:
        """-> how many tokens of whom have run; whoever is complete has a token more."""
        shares = self.scheduler.schedule()
        assert sum(share.cost for share in shares) <= 10
        for share in shares:
            self.run(share)
        return {share.sequence: share.num_tokens for share in shares}

    def run(self, share: Share) -> None:
        assert share.completes == (share.num_tokens == share.sequence.num_missing)
        share.sequence.advance(share.num_tokens)
        if share.completes:
            share.sequence.tokens.append(0)


def test_decodes_come_first_and_prefill_gets_what_is_left() -> None:
    stage = Stage()
    first, second = stage.add(3), stage.add(25)
    assert stage.step() == {first: 3, second: 7}
    assert stage.step() == {first: 1, second: 9}
    assert list(stage.step().items()) == [(first, 1), (second, 9)]
    assert stage.step() == {first: 1, second: 1}


def test_no_more_run_than_may_and_the_next_gets_the_place_that_is_left() -> None:
    stage = Stage(max_running=2)
    first, second, third = stage.add(2), stage.add(2), stage.add(2)
    assert stage.step() == {first: 2, second: 2}
    assert stage.step() == {first: 1, second: 1}
    stage.scheduler.remove(first)
    first.leave()
    assert stage.step() == {second: 1, third: 2}


def test_priority_goes_before_arrival() -> None:
    stage = Stage(max_running=1)
    late, early = stage.add(2, turn=5), stage.add(2, turn=1)
    assert stage.step() == {early: 2}
    assert stage.scheduler.num_waiting == 1
    assert late.num_computed == 0


def test_nobody_overtakes_a_long_prompt_that_waits_for_pages() -> None:
    stage = Stage(num_pages=16)
    running = stage.add(10)
    stage.step()
    long, short = stage.add(45), stage.add(2)
    for _ in range(3):
        assert stage.step() == {running: 1}
    stage.scheduler.remove(running)
    running.leave()
    assert stage.step() == {long: 10}
    assert short.num_computed == 0


def test_a_newcomer_leaves_a_page_to_each_that_runs() -> None:
    stage = Stage(num_pages=8)
    running = stage.add(7)  # 2 + 2 pages
    stage.step()
    newcomer = stage.add(5)  # 2 + 2 pages: there would be none left
    assert stage.step() == {running: 1}
    assert newcomer.num_computed == 0


def test_the_newest_gives_way_and_comes_back_where_it_was() -> None:
    stage = Stage(num_pages=12)
    old, new = stage.add(7), stage.add(3)
    stage.step()
    while stage.scheduler.num_preemptions == 0:
        stage.step()
    assert new.num_computed == 0
    assert old.num_computed > 8
    assert list(new.pages.tables.full.pages) == []
    assert stage.scheduler.num_waiting == 1
    stage.scheduler.remove(old)
    old.leave()
    assert new in stage.step()


def test_a_prefill_may_take_pages_from_a_decode_that_was_planned_already() -> None:
    stage = Stage()
    old, new = stage.add(30), stage.add(2)
    old.max_chunk = 4
    assert stage.step() == {old: 4, new: 2}
    taken = stage.pool.take(stage.pool.num_free)  # somebody else's
    assert stage.step() == {old: 4}  # which needs a page of its sliding table
    assert stage.scheduler.num_preemptions == 1
    stage.pool.give_back(taken)
    old.max_chunk = None
    assert stage.step() == {old: 10}  # the budget is whole again


def test_followers_wait_for_the_prompt_and_then_find_it() -> None:
    stage = Stage()
    leader = stage.add(14)
    follower = stage.add(14, leader=leader)
    other = stage.add(2)
    assert stage.step() == {leader: 10}
    assert stage.step() == {leader: 4, other: 2}
    assert stage.step() == {leader: 1, other: 1, follower: 2}  # 12 of its 14 tokens were there
    assert follower.num_cached == 12
    assert leader.num_cached == 0


def test_a_follower_does_not_wait_for_a_leader_that_has_left() -> None:
    stage = Stage()
    leader = stage.add(14)
    follower = stage.add(14, leader=leader)
    stage.step()
    stage.scheduler.remove(leader)
    leader.leave()
    assert stage.step() == {follower: 6}  # eight tokens were left where it finds them
    assert follower.num_cached == 8


def test_drafts_take_no_place_of_others() -> None:
    stage = Stage(tokens_per_step=10)
    first, second = stage.add(2), stage.add(2)
    stage.step()
    first.drafts = second.drafts = (7, 8, 9, 7, 8, 9)
    shares = stage.scheduler.schedule()
    assert [len(share.drafts) for share in shares] == [6, 1]
    assert sum(share.cost for share in shares) <= 10


def test_no_page_is_taken_from_anybody_for_a_draft() -> None:
    stage = Stage(num_pages=4)
    sequence = stage.add(3)
    stage.step()
    taken = stage.pool.take(2)
    sequence.drafts = (7, 8)
    (share,) = stage.scheduler.schedule()
    assert share.drafts == ()
    assert stage.scheduler.num_preemptions == 0
    stage.pool.give_back(taken)


@pytest.mark.parametrize("num_tokens", [1, 4, 9, 10, 11, 20, 29])
def test_a_prompt_of_any_length_is_computed_once(num_tokens: int) -> None:
    stage = Stage()
    sequence = stage.add(num_tokens)
    total = 0
    while sequence.num_tokens == num_tokens:
        total += stage.step()[sequence]
    assert total == num_tokens
