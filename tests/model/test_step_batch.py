import pytest
import torch

from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch


def sequence_with_room(pool: PagePool, length: int) -> SequencePages:
    pages = SequencePages(pool, page_size=4, sliding_window=6)
    pages.make_room(length)
    return pages


def test_a_decode_between_two_prefill_chunks() -> None:
    pool = PagePool(40)
    first, second, third = (
        sequence_with_room(pool, 5),
        sequence_with_room(pool, 15),
        sequence_with_room(pool, 3),
    )
    second.release_behind(14)
    batch = StepBatch.build(
        [
            SequenceChunk([7, 8, 9], 2, first, LogitsWanted.NONE),
            SequenceChunk([5], 14, second),
            SequenceChunk([1, 2, 3], 0, third, LogitsWanted.ALL),
        ]
    )
    assert batch.token_ids.tolist() == [7, 8, 9, 5, 1, 2, 3]
    assert batch.positions.tolist() == [2, 3, 4, 14, 0, 1, 2]
    assert batch.logit_rows.tolist() == [3, 4, 5, 6]
    assert batch.full.queries.starts.tolist() == [0, 3, 4, 7]
    assert batch.full.queries.first_positions.tolist() == [2, 14, 0]
    assert batch.sliding.queries.table.first_page.tolist() == [0, 2, 0]  # position 14 sees 9 onwards: page 2


@pytest.mark.parametrize(("lengths", "num_single"), [([1, 1, 3, 1], 2), ([2, 1], 0), ([1], 1)])
def test_the_decodes_before_the_first_prefill_are_counted(lengths: list[int], num_single: int) -> None:
    pool = PagePool(40)
    chunks = [SequenceChunk([5] * length, 0, sequence_with_room(pool, length)) for length in lengths]
    batch = StepBatch.build(chunks)
    assert batch.full.queries.num_single == batch.sliding.queries.num_single == num_single


def test_slots_name_the_page_and_the_place_in_it() -> None:
    pool = PagePool(40)
    pages = sequence_with_room(pool, 15)
    pages.release_behind(14)
    batch = StepBatch.build([SequenceChunk([5], 14, pages)])
    assert batch.full.slots.tolist() == [pages.full.pages[3] * 4 + 2]
    assert batch.sliding.slots.tolist() == [pages.sliding.pages[1] * 4 + 2]


def test_a_step_that_wants_no_logits() -> None:
    pages = sequence_with_room(PagePool(9), 2)
    batch = StepBatch.build([SequenceChunk([1, 2], 0, pages, LogitsWanted.NONE)])
    assert batch.logit_rows.shape == (0,)
    assert batch.logit_rows.dtype is torch.int64


def test_what_would_write_into_another_page_is_refused() -> None:
    pages = sequence_with_room(PagePool(40), 30)
    pages.release_behind(28)
    with pytest.raises(AssertionError, match="position 8 lies behind the pages"):
        StepBatch.build([SequenceChunk([5], 8, pages)])


def test_chunks_must_fit_together() -> None:
    pool = PagePool(40)
    other = SequencePages(pool, page_size=8, sliding_window=6)
    other.make_room(5)
    for chunks, message in (
        ([], "at least one chunk"),
        ([SequenceChunk([], 0, sequence_with_room(pool, 1))], "at least one token"),
        ([SequenceChunk([1], 0, sequence_with_room(pool, 1)), SequenceChunk([1], 0, other)], "one page size"),
    ):
        with pytest.raises(AssertionError, match=message):
            StepBatch.build(chunks)
