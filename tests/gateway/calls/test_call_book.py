"""All calls of a gateway: how many, under which ids and keys, and how they are let go."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from gateway.calls.call import Call
from gateway.calls.call_book import CallBook, CallRequest
from gateway.calls.call_settings import CallSettings
from protos.errors import (
    BrokenLogitsError,
    CallNotKeptError,
    CapacityError,
    ConfigError,
    ConflictError,
    NotReadyError,
)
from tests.gateway.calls.test_call import USAGE, Engine, delta, events_of, read_all, same
from tests.gateway.engine_link.hearing import nothing_is_left
from workers.engine.events import Event, RequestEnded

KEYED = CallRequest("call", idempotency_key="key", digest=b"one")


def opened(book: CallBook, engine: Engine, request: CallRequest) -> Call[Event]:
    return book.open(request, 3, engine.events, same)


def ended(engine: Engine) -> None:
    engine.say(delta("a"), RequestEnded("call", USAGE))


async def test_a_call_is_found_while_it_lives_and_not_after() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, CallRequest("call"))
    assert book.find("call") is call
    assert book.num_live == 1
    ended(engine)
    await read_all(call)
    with pytest.raises(CallNotKeptError, match="'call'"):
        book.find("call")
    assert book.num_live == 0
    assert await book.wait_idle(0.1)


async def test_a_call_that_may_be_resumed_is_found_after_its_end_for_a_while() -> None:
    book, engine = CallBook(CallSettings(keep_ended_s=0.05)), Engine()
    call = opened(book, engine, CallRequest("call", is_resumable=True))
    ended(engine)
    await read_all(call)
    assert len(events_of(await read_all(book.find("call")))) == 2
    assert book.num_live == 0
    await asyncio.sleep(0.1)
    assert not book.is_known("call")


async def test_of_ended_calls_the_oldest_are_let_go_first() -> None:
    book = CallBook(CallSettings(max_kept=2))
    for name in ("a", "b", "c"):
        engine = Engine()
        call = opened(book, engine, CallRequest(name, is_resumable=True, idempotency_key=name))
        ended(engine)
        await read_all(call)
    assert [name for name in "abc" if book.is_known(name)] == ["b", "c"]
    assert book.known(CallRequest("again", idempotency_key="a")) is None, "its key went with it"
    await book.aclose()
    await nothing_is_left()


async def test_one_key_is_one_call() -> None:
    book, engine = CallBook(), Engine()
    assert book.known(KEYED) is None
    call = opened(book, engine, KEYED)
    again = CallRequest("another id", idempotency_key="key", digest=b"one")
    assert book.known(again) is call
    with pytest.raises(ConflictError, match="was used for another request"):
        book.known(CallRequest("call", idempotency_key="key", digest=b"two"))
    ended(engine)
    assert events_of(await read_all(call)) == events_of(await read_all(call))


async def test_a_refused_request_leaves_its_key_free() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, KEYED)
    engine.say(CapacityError("full"))
    with pytest.raises(CapacityError):
        await read_all(call)
    assert book.known(KEYED) is None
    assert not book.is_known("call")


async def test_no_two_calls_have_one_id() -> None:
    book = CallBook()
    call = opened(book, Engine(), CallRequest("call"))
    with pytest.raises(ConflictError, match="id of its own"):
        opened(book, Engine(), CallRequest("call"))
    call.cancel()
    await call.ended


async def test_one_call_too_many_is_refused_and_the_next_taken_again() -> None:
    book = CallBook(CallSettings(max_calls=2))
    calls = [opened(book, Engine(), CallRequest(name)) for name in ("a", "b")]
    with pytest.raises(CapacityError, match=r"2 requests .*max_calls"):
        opened(book, Engine(), CallRequest("c"))
    calls[0].cancel()
    await calls[0].ended
    await asyncio.sleep(0)
    opened(book, Engine(), CallRequest("c"))
    await book.aclose()


async def test_a_draining_gateway_takes_nothing_new_and_ends_what_it_has() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, CallRequest("call"))
    book.refuse_new()
    with pytest.raises(NotReadyError):
        opened(book, Engine(), CallRequest("late"))
    assert not await book.wait_idle(0.02)
    async with aclosing(call.batches()) as batches:
        ended(engine)
        assert isinstance([event async for batch in batches for event in batch.events][-1], RequestEnded)
    assert await book.wait_idle(1.0)


async def test_closing_ends_everything_in_words() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, CallRequest("call", is_resumable=True))
    engine.say(delta("a"))
    async with aclosing(call.batches()) as batches:
        await anext(batches)
        await book.aclose()
        (end,) = (await anext(batches)).events
    assert isinstance(end, RequestEnded)
    assert isinstance(end.error, NotReadyError)
    assert engine.is_closed
    await nothing_is_left()


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_calls is 0"):
        CallSettings(max_calls=0)


async def test_a_key_that_came_twice_at_once_is_one_call() -> None:
    """Both were told that the key is not known, and then their prompts were made."""
    book, first, second = CallBook(), Engine(), Engine()
    call = opened(book, first, KEYED)
    again = CallRequest("another id", idempotency_key="key", digest=b"one")
    assert opened(book, second, again) is call
    with pytest.raises(ConflictError):
        opened(book, second, CallRequest("another id", idempotency_key="key", digest=b"two"))
    ended(first)
    assert len(events_of(await read_all(call))) == 2
    await book.aclose()
    await nothing_is_left()


async def test_a_call_that_failed_lets_go_its_key_and_can_still_be_read() -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, KEYED)
    engine.say(delta("a"), BrokenLogitsError((3,)))
    await call.ended
    assert book.known(KEYED) is None
    assert len(events_of(await read_all(book.find("call")))) == 2
    second = Engine()
    again = opened(book, second, replace(KEYED, call_id="again"))
    assert again is not call
    book.forget("call")
    assert book.known(KEYED) is again, "what has gone had the key no more"
    ended(second)
    await read_all(again)
    await book.aclose()
    await nothing_is_left()


async def test_a_call_that_was_cancelled_for_its_lost_reader_is_not_replayed() -> None:
    book, engine = CallBook(CallSettings(resume_s=0.005)), Engine()
    call = opened(book, engine, KEYED)
    engine.say(delta("a"))
    async with aclosing(call.batches()) as batches:
        await anext(batches)
    await call.ended
    second = Engine()
    again = opened(book, second, KEYED)  # the id of the one that failed, too
    ended(second)
    assert events_of(await read_all(again))[-1] == RequestEnded("call", USAGE)
    assert book.find("call") is again
    await book.aclose()
    await nothing_is_left()


@pytest.mark.parametrize("key", [None, "other"])
async def test_the_id_of_a_failed_call_is_its_own_while_it_is_kept(key: str | None) -> None:
    book, engine = CallBook(), Engine()
    call = opened(book, engine, CallRequest("call", is_resumable=True))
    engine.say(delta("a"), BrokenLogitsError((3,)))
    await call.ended
    with pytest.raises(ConflictError, match="id of its own"):
        opened(book, Engine(), CallRequest("call", idempotency_key=key))
    await book.aclose()


async def test_what_ends_while_the_gateway_drains_can_be_read_until_it_closes() -> None:
    book, engine, lost = CallBook(), Engine(), Engine()
    call = opened(book, engine, CallRequest("call", is_resumable=True))
    other = opened(book, lost, CallRequest("other", is_resumable=True))
    book.refuse_new()
    ended(engine)
    await call.ended
    assert len(events_of(await read_all(book.find("call")))) == 2
    await book.aclose()
    assert other.has_ended
    assert not book.is_known("other"), "nobody comes back to it"
    await nothing_is_left()


async def test_the_events_of_all_ended_calls_have_one_bound() -> None:
    book = CallBook(CallSettings(max_kept_events=9))
    for name, num_deltas in (("a", 1), ("b", 2), ("c", 3), ("d", 1)):  # and an end each
        engine = Engine()
        call = opened(book, engine, CallRequest(name, is_resumable=True))
        engine.say(*[delta("x")] * num_deltas, RequestEnded(name, USAGE))
        await read_all(call)
    assert [name for name in "abcd" if book.is_known(name)] == ["b", "c", "d"], "3 + 4 + 2"
    book.forget("c")
    engine = Engine()
    call = opened(book, engine, CallRequest("e", is_resumable=True))
    engine.say(*[delta("x")] * 3, RequestEnded("e", USAGE))
    await read_all(call)
    assert [name for name in "bde" if book.is_known(name)] == ["b", "d", "e"], "3 + 2 + 4"
    await book.aclose()


@pytest.mark.parametrize(
    "kind", [{"is_resumable": True}, {"idempotency_key": "key"}, {"needs_reader": False}], ids=str
)
async def test_what_is_kept_of_one_call_is_bounded_too(kind: dict[str, Any]) -> None:
    book, engine = CallBook(CallSettings(max_events=5, max_unread=2)), Engine()
    call = opened(book, engine, CallRequest("call", **kind))
    engine.say(*[delta("x")] * 50)
    error = (await call.ended).error
    assert type(error) is CapacityError
    assert "at most 5 are kept" in str(error)
    assert engine.is_closed
    assert call.num_events == 7, "those that may be, the one too many, and the end"
    await book.aclose()
    await nothing_is_left()


async def test_a_call_that_does_not_end_is_given_up_when_the_gateway_closes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    is_held = asyncio.Event()

    async def hanging() -> AsyncGenerator[Event, None]:
        try:
            yield delta("a")
            await asyncio.Event().wait()
        finally:
            is_held.set()
            await asyncio.Event().wait()

    book = CallBook(CallSettings(close_s=0.02))
    call: Call[Event] = book.open(CallRequest("call"), 3, hanging, same)
    async with aclosing(call.batches()) as batches:
        await anext(batches)
        async with asyncio.timeout(10):
            await book.aclose()
        assert is_held.is_set()
        (end,) = (await anext(batches)).events
    assert isinstance(end, RequestEnded)
    assert isinstance(end.error, NotReadyError)
    assert "within 0.02 s of being cancelled are given up (1): call" in caplog.text
    assert book.num_live == 0
    await nothing_is_left()
