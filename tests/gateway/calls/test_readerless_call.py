"""Calls that need no reader, and what such a call has to say before its engine does."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.calls.call import Call
from gateway.calls.call_book import CallBook, CallRequest
from gateway.calls.call_settings import CallSettings
from protos.errors import CallNotKeptError, CapacityError
from tests.gateway.calls.test_call import USAGE, Engine, delta, events_of, read_all, same
from workers.engine.events import Event, RequestEnded

READERLESS = CallRequest("call", needs_reader=False)
IMPATIENT = CallSettings(resume_s=0.005)


def opened(book: CallBook, engine: Engine, *opening: Event, request: CallRequest = READERLESS) -> Call[Event]:
    return book.open(request, 3, engine.events, same, opening)


async def test_it_runs_to_its_end_though_its_readers_leave() -> None:
    book, engine = CallBook(IMPATIENT), Engine()
    call = opened(book, engine)
    engine.say(delta("a"))
    async with aclosing(call.batches()) as batches:
        await anext(batches)
    await asyncio.sleep(0.02)
    assert not call.has_ended
    engine.say(delta("b"), RequestEnded("call", USAGE))
    ended = await call.ended
    assert ended == RequestEnded("call", USAGE)
    assert len(events_of(await read_all(call))) == 3
    await book.aclose()


async def test_what_it_opens_with_is_read_before_the_engine_says_anything() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, delta("x"), delta("y"))
    async with aclosing(call.batches()) as batches:
        first = await anext(batches)
        assert (first.first, first.events) == (0, (delta("x"), delta("y")))
        engine.say(delta("a"))
        assert (await anext(batches)).first == 2
    call.cancel()
    await call.ended


async def test_once_opened_it_is_not_refused_but_ends() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, delta("x"))
    refusal = CapacityError("no room")
    engine.say(refusal)
    assert (await call.ended).error is refusal
    assert not call.was_refused
    assert events_of(await read_all(call))[0] == delta("x")
    await book.aclose()


async def test_a_refusal_is_its_end_too_though_nobody_is_told_it_as_an_event() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, request=CallRequest("call"))
    refusal = CapacityError("no room")
    engine.say(refusal)
    assert (await call.ended).error is refusal
    assert call.was_refused


async def test_what_has_ended_is_forgotten_when_asked_and_what_runs_is_not() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine)
    book.forget("call")
    assert book.find("call") is call
    engine.say(RequestEnded("call", USAGE))
    await call.ended
    assert book.is_known("call")
    book.forget("call")
    with pytest.raises(CallNotKeptError):
        book.find("call")
    book.forget("call")
    opened(book, engine).cancel()
    await book.aclose()
