"""One call: numbered events, readers that come and go, one end."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import pairwise

import pytest

from gateway.calls.call import Batch, Call, CallTerms
from protos.errors import (
    BrokenLogitsError,
    CallNotKeptError,
    CapacityError,
    ExpertMeshError,
    InternalError,
    RequestCancelledError,
    SlowReaderError,
)
from tests.gateway.engine_link.hearing import nothing_is_left, until
from workers.engine.events import ChoiceDelta, Event, FinishReason, RequestEnded, Usage

USAGE = Usage(3, 0, 4, 0, 0, 0, 0.0, 0.0)


def delta(text: str, *, tokens: int = 1, finish: FinishReason | None = None) -> ChoiceDelta:
    return ChoiceDelta("call", 0, tuple(range(tokens)), text, (), finish)


class Engine:
    """Says what the test has it say, when the test wants it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        self.is_closed = False

    def say(self, *events: Event | BaseException) -> None:
        for event in events:
            self.queue.put_nowait(event)

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            while True:
                said = await self.queue.get()
                if isinstance(said, BaseException):
                    raise said
                yield said
                if isinstance(said, RequestEnded):
                    return
        finally:
            self.is_closed = True


def same(event: Event) -> Sequence[Event]:
    return (event,)


def opened(engine: Engine, *, resume_s: float = 0.0, max_unread: int = 100) -> Call[Event]:
    call: Call[Event] = Call(CallTerms("call", 3, resume_s, max_unread), engine.events(), same)
    call.start()
    return call


async def read_all(call: Call[Event], after: int = -1) -> list[Batch[Event]]:
    async with aclosing(call.batches(after)) as batches:
        return [batch async for batch in batches]


def events_of(batches: Sequence[Batch[Event]]) -> list[Event]:
    for former, latter in pairwise(batches):
        assert latter.first == former.last + 1, "numbers have no gap"
    return [event for batch in batches for event in batch.events]


async def test_a_reader_gets_everything_in_order_and_then_an_end() -> None:
    engine = Engine()
    call = opened(engine)
    said: list[Event] = [
        delta("a"),
        delta("b"),
        delta("c", finish=FinishReason.STOP),
        RequestEnded("call", USAGE),
    ]
    engine.say(*said)
    batches = await read_all(call)
    assert events_of(batches) == said
    assert batches[0].first == 0
    assert call.has_ended
    assert engine.is_closed
    await nothing_is_left()


async def test_what_comes_while_nobody_looks_is_one_batch() -> None:
    engine = Engine()
    call = opened(engine)
    async with aclosing(call.batches()) as batches:
        engine.say(delta("a"))
        assert (await anext(batches)).events == (delta("a"),)
        engine.say(delta("b"), delta("c"))
        await until(lambda: call.num_events == 3)
        batch = await anext(batches)
        assert (batch.first, batch.last) == (1, 2)


async def test_batches_keep_their_distance_and_the_first_does_not_wait() -> None:
    engine, pace_s = Engine(), 0.05
    terms = CallTerms("call", 3, 0.0, 100)
    call: Call[Event] = Call(terms, engine.events(), same, pace_s=lambda: pace_s)
    call.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with aclosing(call.batches()) as batches:
        engine.say(delta("a"))
        assert (await anext(batches)).events == (delta("a"),)
        assert loop.time() - began < pace_s
        engine.say(delta("b"))
        await until(lambda: call.num_events == 2)
        saying = asyncio.create_task(anext(batches))
        await asyncio.sleep(pace_s / 5)
        engine.say(delta("c"))
        assert (await saying).events == (delta("b"), delta("c"))
        assert loop.time() - began >= pace_s


async def test_a_refusal_is_raised_in_place_of_the_first_batch() -> None:
    engine = Engine()
    call = opened(engine)
    engine.say(CapacityError("the engine is full"))
    with pytest.raises(CapacityError, match="the engine is full"):
        await read_all(call)
    assert call.was_refused
    assert call.has_ended
    await nothing_is_left()


@pytest.mark.parametrize(
    ("broken_by", "told"),
    [(BrokenLogitsError((3,)), BrokenLogitsError), (ValueError("a bug"), InternalError)],
)
async def test_a_failure_after_the_beginning_is_the_terminal_event(
    broken_by: Exception, told: type[ExpertMeshError]
) -> None:
    engine = Engine()
    call = opened(engine)
    engine.say(delta("a", tokens=2), broken_by)
    *_, last = events_of(await read_all(call))
    assert isinstance(last, RequestEnded)
    assert type(last.error) is told
    assert "a bug" not in str(last.error)
    assert (last.usage.prompt_tokens, last.usage.output_tokens) == (3, 2)
    await nothing_is_left()


async def test_a_reader_that_goes_cancels_the_call() -> None:
    engine = Engine()
    call = opened(engine)
    engine.say(delta("a"))
    async with aclosing(call.batches()) as batches:
        await anext(batches)
    await call.ended
    assert engine.is_closed
    await nothing_is_left()


async def test_a_reader_that_goes_before_the_beginning_cancels_the_call() -> None:
    engine = Engine()
    call = opened(engine)
    reading = asyncio.create_task(read_all(call))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.wait({reading})
    await call.ended
    assert engine.is_closed
    await nothing_is_left()


async def test_a_cancelled_call_ends_in_words() -> None:
    engine = Engine()
    call = opened(engine)
    engine.say(delta("a"))
    async with aclosing(call.batches()) as batches:
        await anext(batches)
        call.cancel()
        (end,) = (await anext(batches)).events
        assert isinstance(end, RequestEnded)
        assert isinstance(end.error, RequestCancelledError)
        call.cancel()  # of one that has ended: nothing
        assert [batch async for batch in batches] == []


async def test_one_that_may_be_resumed_goes_on_where_its_reader_stopped() -> None:
    engine = Engine()
    call = opened(engine, resume_s=30.0)
    engine.say(delta("a"), delta("b"))
    async with aclosing(call.batches()) as batches:
        await until(lambda: call.num_events == 2)
        assert (await anext(batches)).last == 1
    engine.say(delta("c", finish=FinishReason.STOP), RequestEnded("call", USAGE))
    again = await read_all(call, after=0)
    assert events_of(again)[:2] == [delta("b"), delta("c", finish=FinishReason.STOP)]
    assert again[0].first == 1
    assert len(events_of(await read_all(call))) == 4, "after the end, too"
    assert await read_all(call, after=3) == []


async def test_one_that_may_be_resumed_waits_only_so_long() -> None:
    engine = Engine()
    call = opened(engine, resume_s=0.05)
    engine.say(delta("a"))
    async with aclosing(call.batches()) as batches:
        await anext(batches)
    await asyncio.sleep(0.01)
    assert not call.has_ended
    async with asyncio.timeout(10):
        await call.ended
    assert engine.is_closed


async def test_two_readers_of_one_call_hear_the_same() -> None:
    engine = Engine()
    call = opened(engine, resume_s=30.0)
    readers = [asyncio.create_task(read_all(call)) for _ in range(2)]
    for text in "abc":
        engine.say(delta(text))
        await asyncio.sleep(0.002)
    engine.say(RequestEnded("call", USAGE))
    first, second = await asyncio.gather(*readers)
    assert events_of(first) == events_of(second)
    assert len(events_of(first)) == 4


async def test_what_was_read_of_another_call_is_not_kept() -> None:
    engine = Engine()
    call = opened(engine)
    async with aclosing(call.batches()) as batches:
        engine.say(delta("a"))
        await anext(batches)
        with pytest.raises(CallNotKeptError, match="before number 1 are not kept"):
            await read_all(call)
        assert not call.has_ended, "the reader that is there reads on"
    with pytest.raises(CallNotKeptError, match="behind number 7"):
        await read_all(call, after=7)


async def test_a_reader_that_does_not_read_is_cut_off() -> None:
    engine = Engine()
    call = opened(engine, max_unread=5)
    async with aclosing(call.batches()) as batches:
        engine.say(delta("a"))
        await anext(batches)
        engine.say(*[delta("b")] * 50)
        await call.ended
        assert engine.is_closed
        rest = [event async for batch in batches for event in batch.events]
    assert len(rest) == 7, "those that may wait, the one too many, and the end"
    assert isinstance(rest[-1], RequestEnded)
    assert isinstance(rest[-1].error, SlowReaderError)


async def test_one_that_is_cancelled_before_it_could_begin_ends_too() -> None:
    call = opened(Engine())
    call.cancel()
    with pytest.raises(RequestCancelledError):
        await read_all(call)


async def test_what_is_not_kept_has_one_reader() -> None:
    engine = Engine()
    call = opened(engine)
    reading = asyncio.create_task(read_all(call))
    await asyncio.sleep(0)
    with pytest.raises(CallNotKeptError, match="go to another reader"):
        await read_all(call)
    said: list[Event] = [delta("a"), RequestEnded("call", USAGE)]
    engine.say(*said)
    assert events_of(await reading) == said
    await nothing_is_left()
