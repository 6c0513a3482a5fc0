"""Responses in the background: polled, followed, followed again, cancelled, deleted."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.calls.call import CallKind
from gateway.calls.call_settings import CallSettings
from gateway.responses.response import FailureCode, ResponseStatus
from gateway.responses.response_events import ItemDone, Moment, ResponseEvent, ResponseMoment
from gateway.responses.response_settings import ResponseSettings
from protos.errors import (
    CallNotKeptError,
    CapacityError,
    InvalidRequestError,
    NotFoundError,
)
from tests.gateway.responses.response_cases import request
from tests.gateway.responses.served import Gateway, finished, running

IN_BACKGROUND = request(is_background=True)


async def followed(gateway: Gateway, response_id: str, after: int = -1) -> list[tuple[int, ResponseEvent]]:
    async with aclosing(await gateway.responses.follow(response_id, after)) as batches:
        return [
            (batch.first + index, event)
            async for batch in batches
            for index, event in enumerate(batch.events)
        ]


async def settled(gateway: Gateway, response_id: str) -> ResponseStatus:
    """Waits until it has ended; -> how."""
    while not (status := (await gateway.responses.find(response_id)).response.status).has_ended:
        await asyncio.sleep(0.002)
    return status


async def test_in_the_background_it_runs_without_a_reader_and_is_told_from_its_beginning() -> None:
    async with running(calls=CallSettings(resume_s=0.001)) as gateway:
        gateway.link.pause_s = 0.001
        live = await gateway.responses.create(IN_BACKGROUND)
        assert live.response.status is ResponseStatus.QUEUED
        async with aclosing(live.follow()) as batches:
            await anext(batches)
        assert await settled(gateway, live.response_id) is ResponseStatus.COMPLETED
        told = await followed(gateway, live.response_id)
        assert [number for number, _ in told] == list(range(len(told)))
        moments = [event.moment for _, event in told if isinstance(event, ResponseMoment)]
        assert moments == [Moment.CREATED, Moment.QUEUED, Moment.IN_PROGRESS, Moment.COMPLETED]
        last = told[-1][1]
        assert isinstance(last, ResponseMoment)
        assert last.response == (await gateway.responses.find(live.response_id)).response
        assert [event.item for _, event in told if isinstance(event, ItemDone)] == list(last.response.output)


async def test_a_stream_goes_on_where_it_stopped_while_it_runs_and_when_it_has_ended() -> None:
    async with running() as gateway:
        gateway.link.pause_s = 0.002
        live = await gateway.responses.create(IN_BACKGROUND)
        before: list[ResponseEvent] = []
        async with aclosing(await gateway.responses.follow(live.response_id)) as batches:
            async for batch in batches:
                before += batch.events
                if len(before) >= 8:
                    break
        assert not live.response.status.has_ended
        behind = await followed(gateway, live.response_id, len(before) - 1)
        assert [number for number, _ in behind] == list(range(len(before), len(before) + len(behind)))
        await settled(gateway, live.response_id)
        whole = await followed(gateway, live.response_id)
        assert [event for _, event in whole] == before + [event for _, event in behind]


async def test_events_go_before_the_response_does() -> None:
    async with running(calls=CallSettings(keep_ended_s=0.01)) as gateway:
        live = await gateway.responses.create(IN_BACKGROUND)
        await settled(gateway, live.response_id)
        await asyncio.sleep(0.03)
        assert (await gateway.responses.find(live.response_id)).response.output != ()
        with pytest.raises(CallNotKeptError):
            await gateway.responses.follow(live.response_id)


async def test_in_the_background_a_refusal_is_its_end() -> None:
    async with running() as gateway:
        gateway.link.refusal = CapacityError("the queue is full")
        live = await gateway.responses.create(IN_BACKGROUND)
        assert await settled(gateway, live.response_id) is ResponseStatus.FAILED
        failure = (await gateway.responses.find(live.response_id)).response.failure
        assert failure is not None
        assert (failure.code, failure.message) == (FailureCode.RATE_LIMIT_EXCEEDED, "the queue is full")
        moments = [
            event.moment
            for _, event in await followed(gateway, live.response_id)
            if isinstance(event, ResponseMoment)
        ]
        assert moments == [Moment.CREATED, Moment.QUEUED, Moment.FAILED]


async def test_cancelling_ends_it_and_frees_the_engine() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(IN_BACKGROUND)
        following = asyncio.create_task(followed(gateway, live.response_id))
        while not live.response.output:
            await asyncio.sleep(0.002)
        response = await gateway.responses.cancel(live.response_id)
        assert response.status is ResponseStatus.CANCELLED
        assert response.failure is None
        assert gateway.link.cancelled == [live.response_id]
        last = (await following)[-1][1]
        assert isinstance(last, ResponseMoment)
        assert (last.moment, last.response) == (Moment.FAILED, response)
        assert await gateway.responses.cancel(live.response_id) == response


async def test_only_the_background_is_cancelled_and_followed_again() -> None:
    async with running() as gateway:
        response_id = await finished(gateway, request())
        with pytest.raises(InvalidRequestError, match="by closing its connection"):
            await gateway.responses.cancel(response_id)
        with pytest.raises(InvalidRequestError, match="background=true") as caught:
            await gateway.responses.follow(response_id)
        assert caught.value.field == "stream"


async def test_deleting_ends_what_runs_and_leaves_nothing() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(IN_BACKGROUND)
        await asyncio.sleep(0.01)
        await asyncio.gather(
            gateway.responses.delete(live.response_id),
            gateway.responses.delete(live.response_id),
            return_exceptions=True,
        )
        assert gateway.link.num_running == 0
        assert not gateway.inference.book.is_known(live.response_id)
        assert (len(gateway.store), gateway.store.num_bytes) == (0, 0)
        for ask in (gateway.responses.find, gateway.responses.follow, gateway.responses.delete):
            with pytest.raises(NotFoundError):
                await ask(live.response_id)


async def test_so_many_in_the_background_and_no_more() -> None:
    async with running(settings=ResponseSettings(max_background=2)) as gateway:
        gateway.link.stalls_after = 0
        lives = [await gateway.responses.create(IN_BACKGROUND) for _ in range(2)]
        with pytest.raises(CapacityError, match=r"^2 responses .*max_background"):
            await gateway.responses.create(IN_BACKGROUND)
        await gateway.responses.cancel(lives[0].response_id)
        await gateway.responses.create(IN_BACKGROUND)


async def test_those_that_begin_at_once_are_counted_too() -> None:
    async with running(settings=ResponseSettings(max_background=2)) as gateway:
        gateway.link.stalls_after = 0
        creating = (gateway.responses.create(IN_BACKGROUND) for _ in range(5))
        outcomes = await asyncio.gather(*creating, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes].count(CapacityError) == 3
        assert gateway.inference.book.num_live == 2


async def test_what_could_not_begin_takes_no_place() -> None:
    async with running(settings=ResponseSettings(max_background=1)) as gateway:
        gone = request(is_background=True, previous_response_id="resp_gone")
        for _ in range(2):
            with pytest.raises(NotFoundError):
                await gateway.responses.create(gone)
        await gateway.responses.create(IN_BACKGROUND)


async def test_its_events_are_read_as_those_of_a_response_alone() -> None:
    async with running() as gateway:
        live = await gateway.responses.create(IN_BACKGROUND)
        assert gateway.inference.find(live.response_id, CallKind.TOLD) is live.call
        with pytest.raises(CallNotKeptError, match="of the kind 'told'"):
            gateway.inference.find(live.response_id, CallKind.TEXT, CallKind.CHAT)


async def test_a_response_that_still_runs_is_not_gone_on_from() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(IN_BACKGROUND)
        with pytest.raises(InvalidRequestError, match=r"is (queued|in_progress)") as caught:
            await gateway.responses.create(request(previous_response_id=live.response_id))
        assert caught.value.field == "previous_response_id"


async def test_stopping_stores_what_has_come_so_far() -> None:
    async with running() as gateway:
        gateway.link.stalls_after = 15
        live = await gateway.responses.create(IN_BACKGROUND)
        while not live.response.output:
            await asyncio.sleep(0.002)
        await gateway.inference.book.aclose()
        await gateway.responses.aclose()
        stored = await gateway.store.get(live.response_id)
        assert stored.response.status is ResponseStatus.FAILED
        assert stored.response.failure is not None
        assert "the gateway stops" in stored.response.failure.message
