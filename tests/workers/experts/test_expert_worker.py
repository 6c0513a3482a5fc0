"""An expert worker answers frames with the model's rows, batches them, and outlives whatever it is sent.

The last tests throw frames at a real one over gRPC.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from protos.errors import ExpertNotHereError, MalformedFrameError, OversizedFrameError, StaleEpochError
from router.dispatch_frames import CombineMode, Dispatch, Refusal, RefusalReason, Reply
from router.frame import Field, Frame, FrameKind, decode
from router.rows import RowFormat, exact_format, pack_rows, unpack_rows
from tests.model.tiny_model import TINY
from tests.router.frames import frame, raw_frame
from tests.workers.experts.raw_stream import RawFrames
from tests.workers.experts.shards import shard_of, work, worker_of
from workers.experts.expert_worker import ExpertWorker
from workers.experts.service import ExpertServer

HELD = {0: (1, 2, 6), 3: (0, 4)}
ROWS, EXPERTS = [0, 1, 1, 2], [6, 2, 6, 1]
HIDDEN, MAX_BYTES = TINY.hidden_size, 1 << 20


def dispatch(
    number: int = 1,
    *,
    layer: int = 0,
    epoch: int = 0,
    rows: Sequence[int] = ROWS,
    experts: Sequence[int] = EXPERTS,
    mode: CombineMode = CombineMode.EXACT,
    dtype: torch.dtype = torch.float32,
    row_format: RowFormat | None = None,
) -> Dispatch:
    x, assignments = work(list(rows), list(experts))
    row_format = row_format or exact_format(dtype)
    numbers = np.array([rows, experts, assignments.weights.numpy().view(np.int32)], np.int32)
    sections = pack_rows(x.to(dtype), row_format)
    return Dispatch("attention-0", number, layer, epoch, row_format, mode, len(x), sections, numbers)


def answer(worker: ExpertWorker, sent: Dispatch) -> Tensor:
    return rows_of(worker.answer(decode(sent.encode(), MAX_BYTES)), sent)


def rows_of(data: bytes, sent: Dispatch) -> Tensor:
    reply = Reply.of(decode(data, MAX_BYTES))
    assert (reply.number, reply.row_format) == (sent.number, sent.row_format)
    dtype = torch.bfloat16 if sent.row_format is RowFormat.BFLOAT16 else torch.float32
    return unpack_rows(reply.row_sections, reply.row_format, sent.num_reply_rows, HIDDEN, dtype)


@pytest.mark.parametrize("mode", CombineMode)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_are_those_of_its_shard(mode: CombineMode, dtype: torch.dtype) -> None:
    x, assignments = work(ROWS, EXPERTS)
    expected = shard_of(HELD).run(0, x.to(dtype), assignments, mode)
    assert torch.equal(answer(worker_of(HELD), dispatch(mode=mode, dtype=dtype)), expected)


def test_mxfp8_rows_come_and_go_in_mxfp8() -> None:
    sent = dispatch(row_format=RowFormat.MXFP8)
    x = unpack_rows(sent.row_sections, RowFormat.MXFP8, 3, HIDDEN, torch.float32)
    exact = shard_of(HELD).run_exactly(0, x, work(ROWS, EXPERTS)[1])
    sections = pack_rows(exact, RowFormat.MXFP8)
    expected = unpack_rows(sections, RowFormat.MXFP8, 4, HIDDEN, torch.float32)
    assert torch.equal(answer(worker_of(HELD), sent), expected)


def test_dispatches_that_are_computed_together_get_the_bits_that_they_get_alone() -> None:
    """Of two layers, two types and both ways to combine; one asks for an expert that is not here."""
    worker = worker_of(HELD)
    sent = [
        dispatch(1),
        dispatch(2, layer=3, rows=[0, 0], experts=[4, 0]),
        dispatch(3, experts=[1, 2, 3, 6]),
        dispatch(4, rows=[3, 0], experts=[2, 2], mode=CombineMode.REDUCED),
        dispatch(5, dtype=torch.bfloat16),
        dispatch(6, rows=[0], experts=[1]),
    ]
    outcomes = worker._compute(sent)
    for each, outcome in zip(sent, outcomes, strict=True):
        if each.number == 3:
            assert isinstance(outcome, ExpertNotHereError)
        else:
            assert isinstance(outcome, Reply)
            assert torch.equal(rows_of(outcome.encode(), each), answer(worker_of(HELD), each))


def test_loads_count_tokens_and_visits() -> None:
    worker = worker_of(HELD)
    answer(worker, dispatch())
    answer(worker, dispatch(2, rows=[0], experts=[6]))
    assert worker.loads.tokens[0].tolist() == [0, 1, 1, 0, 0, 0, 3]
    assert worker.loads.visits[0].tolist() == [0, 1, 1, 0, 0, 0, 2]
    assert not worker.loads.tokens[1:].any()


def test_frames_from_before_a_retirement_are_refused_and_later_ones_served() -> None:
    worker = worker_of(HELD)
    worker.retain(4, {0: (1, 2, 6)})
    with pytest.raises(StaleEpochError, match="from epoch 4 on"):
        answer(worker, dispatch(epoch=3))
    answer(worker, dispatch(epoch=4))
    worker.retain(2, {0: (1, 2, 6)})
    assert worker.hello().epoch == 4


def test_what_was_retired_can_be_loaded_again() -> None:
    worker = worker_of(HELD)
    expected = answer(worker, dispatch())
    worker.retain(1, {0: (2,), 1: (5,)})
    assert worker.shard.layer_to_experts == {0: (2,)}
    with pytest.raises(ExpertNotHereError):
        answer(worker, dispatch(epoch=1))
    worker.load({0: (6, 1), 1: ()})
    assert torch.equal(answer(worker, dispatch(epoch=1)), expected)


def test_a_small_frame_cannot_ask_for_any_amount_of_memory() -> None:
    worker = worker_of(HELD, max_frame_bytes=50_000)
    most = 50_000 // (4 * HIDDEN)
    answer(worker, dispatch(rows=[0] * most, experts=[1] * most))
    for mode in CombineMode:
        with pytest.raises(OversizedFrameError, match="are computed at once"):
            answer(worker, dispatch(rows=[0] * (most + 1), experts=[1] * (most + 1), mode=mode))


def test_rows_of_another_width_are_refused() -> None:
    good = dispatch()
    with pytest.raises(MalformedFrameError, match="3 rows of 96 values"):
        answer(worker_of(HELD), good._replace(row_sections=[good.row_sections[0][:-4]]))


@pytest.fixture(scope="module")
def stream() -> Iterator[RawFrames]:
    server = ExpertServer(worker_of(HELD), "127.0.0.1")
    server.start()
    stream = RawFrames(server.address, MAX_BYTES)
    yield stream
    stream.close()
    server.stop()


GOOD = dispatch(7)
FIELDS: Sequence[Field] = ("attention-0", 7, 0, 0, 0, 0, 3)


@pytest.mark.parametrize(
    ("data", "reason", "number"),
    [
        (b"", RefusalReason.TRUNCATED, None),
        (GOOD.encode()[:-64], RefusalReason.TRUNCATED, None),
        (b"GET / HTTP/1.1\r\nHost: expert-0\r\n", RefusalReason.MALFORMED, None),
        (bytes(MAX_BYTES + 1), RefusalReason.OVERSIZED, None),
        (raw_frame(2, b"\x91\x90", version=9), RefusalReason.VERSION, None),
        (raw_frame(2, b"\x91\x90", checksum=5), RefusalReason.CHECKSUM, None),
        (raw_frame(2, b"\x92" + b"\x91" * 1015 + b"\x90\x90"), RefusalReason.MALFORMED, None),
        (frame(FrameKind.DISPATCH, FIELDS), RefusalReason.MALFORMED, 7),
        (frame(FrameKind.DISPATCH, ("attention-0", 7)), RefusalReason.MALFORMED, 7),
        (frame(FrameKind.STEP, ("attention-0", 7)), RefusalReason.MALFORMED, 7),
        (frame(FrameKind.HELLO, ("w", "m", "a", 0, 1, 1)), RefusalReason.MALFORMED, None),
        (dispatch(7, rows=[0] * 3000, experts=[1] * 3000).encode(), RefusalReason.OVERSIZED, 7),
        (dispatch(7, experts=[1, 2, 3, 6]).encode(), RefusalReason.NOT_HERE, 7),
        (dispatch(7, layer=2**64 - 1).encode(), RefusalReason.NOT_HERE, 7),
    ],
)
def test_each_bad_frame_is_refused_for_its_own_reason_and_the_stream_goes_on(
    stream: RawFrames, data: bytes, reason: RefusalReason, number: int | None
) -> None:
    refusal = Refusal.of(decode(stream.ask(data), MAX_BYTES))
    assert (refusal.reason, refusal.number) == (reason, number)
    assert refusal.message
    assert_serves(stream)


def assert_serves(stream: RawFrames) -> None:
    x, assignments = work(ROWS, EXPERTS)
    expected = shard_of(HELD).run_exactly(0, x, assignments)
    assert torch.equal(rows_of(stream.ask(GOOD.encode()), GOOD), expected)


ENCODED = GOOD.encode()
values = st.none() | st.booleans() | st.integers(0, 4) | st.integers(0, 2**64 - 1) | st.text(max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(ENCODED) - 1), st.binary(min_size=1, max_size=9)).map(
        lambda bite: ENCODED[: bite[0]] + bite[1] + ENCODED[bite[0] + len(bite[1]) :]
    )
    | st.builds(
        frame,
        st.sampled_from(FrameKind),
        st.lists(values, max_size=8),
        st.lists(st.binary(max_size=24) | st.just(bytes(GOOD.numbers.data.cast("B"))), max_size=4),
    )
)
def test_a_real_worker_answers_anything_and_serves_on(stream: RawFrames, data: bytes) -> None:
    """What it takes for a dispatch it computes; all else it refuses, and never because it broke."""
    found: Frame = decode(stream.ask(data), MAX_BYTES)
    if found.kind is FrameKind.REFUSAL:
        assert Refusal.of(found).reason is not RefusalReason.FAILED
    else:
        Reply.of(found)
        Dispatch.of(decode(data, MAX_BYTES))


def test_after_all_that_it_serves(stream: RawFrames) -> None:
    assert_serves(stream)
