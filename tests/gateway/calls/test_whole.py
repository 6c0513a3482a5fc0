"""A call read to its end by one function: all of it is handed on, and what it failed with is raised."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway.calls.call import Call, CallTerms
from gateway.calls.whole import read_whole
from protos.errors import CapacityError, EngineStoppedError, ExpertMeshError
from tests.gateway.engine_link.hearing import nothing_is_left
from workers.engine.events import ChoiceDelta, Event, RequestEnded, Usage

USAGE = Usage(3, 0, 2, 0, 0, 0, 0.0, 0.0)


def call_of(*said: Event | ExpertMeshError) -> Call[Event]:
    async def source() -> AsyncGenerator[Event, None]:
        for each in said:
            await asyncio.sleep(0)
            if isinstance(each, ExpertMeshError):
                raise each
            yield each

    call: Call[Event] = Call(CallTerms("call", 3, 0.0, 16), source(), lambda event: (event,))
    call.start()
    return call


def delta(text: str) -> ChoiceDelta:
    return ChoiceDelta("call", 0, (1,), text, ())


async def test_all_of_it_is_handed_on() -> None:
    taken: list[Event] = []
    ended = RequestEnded("call", USAGE)
    await read_whole(call_of(delta("a"), delta("b"), ended), taken.extend)
    assert taken == [delta("a"), delta("b"), ended]
    await nothing_is_left()


async def test_a_refusal_is_raised() -> None:
    taken: list[Event] = []
    with pytest.raises(CapacityError, match="full"):
        await read_whole(call_of(CapacityError("full")), taken.extend)
    assert taken == []
    await nothing_is_left()


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_late_failure_is_raised_after_what_came_before(is_told: bool) -> None:
    taken: list[Event] = []
    error = EngineStoppedError("stopped")
    end: Event | ExpertMeshError = RequestEnded("call", USAGE, error) if is_told else error
    with pytest.raises(EngineStoppedError, match="stopped"):
        await read_whole(call_of(delta("a"), end), taken.extend)
    assert taken[0] == delta("a")
    await nothing_is_left()
