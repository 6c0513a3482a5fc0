"""A step that names what a stage does not have is refused before anything is computed, whatever it says."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kernels.route import Routing
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from model.weights import ModelWeights
from protos.errors import MalformedFrameError
from router.frame import decode, encode
from tests.model.runner import ODD_TINY, load_float32, write_tiny
from workers.attention.stage_frames import StageStep
from workers.attention.stage_limits import StageLimits
from workers.attention.stage_worker import StageSettings, StageWorker

CONFIG = ODD_TINY
NUM_PAGES, PAGE_SIZE = 90, 16
LIMITS = StageLimits(CONFIG, torch.float32, NUM_PAGES, PAGE_SIZE)
LAYERS = range(2, CONFIG.num_layers)
NUM_SECTIONS_OF_NUMBERS = 10
AWAY = (-(1 << 63), -1, CONFIG.max_positions, NUM_PAGES * PAGE_SIZE, (1 << 63) - 1)


def no_experts(layer: int, x: Tensor, routing: Routing) -> Tensor:
    """An `Experts` that adds nothing."""
    del layer, routing
    return torch.zeros_like(x)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> StageWorker:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(CONFIG, folder)
    whole: ModelWeights = load_float32(folder)[1]
    weights = replace(whole, attention={layer: whole.attention[layer] for layer in LAYERS})
    return StageWorker(StageSettings("stage", "tiny", torch.float32), CONFIG, weights, no_experts)


@pytest.fixture(scope="module")
def session(worker: StageWorker) -> int:
    return worker.open(NUM_PAGES, PAGE_SIZE, None)


SHARES = ((CONFIG.sliding_window + 40, 5), (0, 19), (33, 1))


def step_of(session: int = 0, shares: Sequence[tuple[int, int]] = SHARES) -> StageStep:
    """Three sequences: one that has let pages go behind the window, one that begins, one of one token."""
    pool = PagePool(NUM_PAGES)
    chunks = []
    for first, count in shares:
        pages = SequencePages(pool, PAGE_SIZE, CONFIG.sliding_window)
        pages.make_room(first)
        pages.release_behind(first)
        pages.make_room(first + count)
        chunks.append(SequenceChunk([7] * count, first, pages, LogitsWanted.LAST))
    batch = StepBatch.build(chunks)
    hidden = torch.ones(len(batch.token_ids), CONFIG.hidden_size)
    return StageStep("here", 4, session, hidden, batch)


def test_a_step_as_they_are_is_answered(worker: StageWorker, session: int) -> None:
    step = step_of(session)
    assert int(step.batch.sliding.queries.table.first_page[0]) > 0
    StageStep.of(decode(step.encode(), 1 << 20))
    LIMITS.check(step)
    worker.answer(decode(step.encode(), 1 << 20))


@pytest.mark.parametrize(("order", "num_single"), [((2, 1, 0), 1), ((0, 1, 2), 0), ((2,), 1)])
def test_the_decodes_at_the_front_are_counted_there_too(order: tuple[int, ...], num_single: int) -> None:
    step = step_of(shares=[SHARES[index] for index in order])
    assert step.batch.full.queries.num_single == num_single
    found = StageStep.of(decode(step.encode(), 1 << 20)).batch
    assert found.full.queries.num_single == found.sliding.queries.num_single == num_single


@given(section=st.integers(0, NUM_SECTIONS_OF_NUMBERS - 1), data=st.data())
@settings(max_examples=400, deadline=None)
def test_whatever_one_number_becomes_it_is_refused_or_harmless(
    worker: StageWorker, session: int, section: int, data: st.DataObject
) -> None:
    frame = decode(step_of(session).encode(), 1 << 20)
    numbers = torch.frombuffer(bytearray(frame.sections[section]), dtype=torch.int64)
    where = data.draw(st.integers(0, len(numbers) - 1))
    numbers[where] = data.draw(st.sampled_from(AWAY) | st.integers(-3, 400))
    sections = list(frame.sections)
    sections[section] = numbers.numpy().data.cast("B")
    changed = decode(encode(frame.kind, frame.fields, sections), 1 << 20)
    try:
        worker.answer(changed)
    except MalformedFrameError:
        return


def view_with(batch: StepBatch, **changes: Tensor) -> StepBatch:
    table = replace(batch.sliding.queries.table, **changes)
    return replace(batch, sliding=replace(batch.sliding, queries=replace(batch.sliding.queries, table=table)))


def test_each_thing_is_named() -> None:
    step = step_of()
    batch, table = step.batch, step.batch.sliding.queries.table
    last = torch.tensor(CONFIG.max_positions)
    for changed, words in (
        (replace(batch, positions=batch.positions + last), "names positions from"),
        (replace(batch, full=replace(batch.full, slots=batch.full.slots - 2000)), "names slots from -"),
        (view_with(batch, pages=table.pages + NUM_PAGES), "names pages from .* has 0 to 89"),
        (view_with(batch, first_page=table.first_page + 1), "do not hold all positions"),
        (view_with(batch, first_page=table.first_page - 1), "do not hold all positions"),
        (view_with(batch, pages=table.pages[:, :1]), "do not hold all positions"),
    ):
        with pytest.raises(MalformedFrameError, match=words):
            LIMITS.check(step._replace(batch=changed))
    with pytest.raises(MalformedFrameError, match=r"of \d+ values in torch.bfloat16; this stage takes"):
        LIMITS.check(step._replace(hidden=step.hidden.bfloat16()))
    with pytest.raises(
        MalformedFrameError, match=f"of {CONFIG.hidden_size - 1} values in torch.float32; this"
    ):
        LIMITS.check(step._replace(hidden=step.hidden[:, 1:]))


@pytest.mark.parametrize("rows", [[4, 4], [23, 4]])
def test_rows_that_are_wanted_rise(rows: list[int]) -> None:
    step = step_of()
    changed = step._replace(batch=replace(step.batch, logit_rows=torch.tensor(rows)))
    with pytest.raises(MalformedFrameError, match="do not rise"):
        StageStep.of(decode(changed.encode(), 1 << 20))
