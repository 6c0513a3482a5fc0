"""A gateway begins whole or not at all, and ends in good order: calls first, faces next, the link last."""

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing

import pytest

from gateway.calls.call import Call
from gateway.calls.call_book import CallBook, CallRequest
from gateway.gateway_server import GatewayServer
from protos.errors import ConfigError, NotReadyError
from tests.gateway.engine_link.hearing import nothing_is_left
from tests.gateway.paper_face import PaperFace
from workers.engine.events import ChoiceDelta, Event, RequestEnded, Usage

USAGE = Usage(3, 0, 4, 0, 0, 0, 0.0, 0.0)


class Gateway:
    """Two faces and one call, whose engine says its end when the test wants it."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.faces = [PaperFace("grpc", self.notes), PaperFace("http", self.notes)]
        self.book = CallBook()
        self.may_end = asyncio.Event()
        self.server = GatewayServer(self.book, self.faces, [self._close_link])

    def call(self) -> Call[Event]:
        return self.book.open(CallRequest("call"), 3, self._events, lambda event: (event,))

    async def _events(self) -> AsyncGenerator[Event, None]:
        yield ChoiceDelta("call", 0, (1,), "a", ())
        await self.may_end.wait()
        yield RequestEnded("call", USAGE)

    async def _close_link(self) -> None:
        self.notes.append("link closes")


async def end_of(call: Call[Event]) -> RequestEnded:
    async with aclosing(call.batches()) as batches:
        last = [batch async for batch in batches][-1].events[-1]
    assert isinstance(last, RequestEnded)
    return last


def run(case: Coroutine[None, None, None]) -> None:
    async def to_the_end() -> None:
        await case
        await nothing_is_left()

    asyncio.run(to_the_end())


async def all_faces_begin(gateway: Gateway) -> None:
    await gateway.server.start()
    assert gateway.server.addresses == ["grpc:1", "http:1"]
    await gateway.server.aclose()
    assert gateway.notes == ["grpc starts", "http starts", "grpc closes", "http closes", "link closes"]


async def or_none_does(gateway: Gateway) -> None:
    gateway.faces[1].refusal = ConfigError("the port is taken")
    with pytest.raises(ConfigError, match="the port is taken"):
        await gateway.server.start()
    assert gateway.notes == ["grpc starts", "grpc closes", "http closes", "link closes"]


async def what_runs_is_finished_and_nothing_new_is_taken(gateway: Gateway) -> None:
    await gateway.server.start()
    reading = asyncio.create_task(end_of(gateway.call()))
    draining = asyncio.create_task(gateway.server.drain(30.0))
    await asyncio.sleep(0.01)
    assert gateway.notes[2:] == ["grpc drains", "http drains"]
    with pytest.raises(NotReadyError, match="takes nothing new"):
        gateway.book.open(CallRequest("late"), 3, gateway._events, lambda event: (event,))
    gateway.may_end.set()
    assert (await reading).error is None
    assert not draining.done(), "the clients have not been told everything"
    for face in gateway.faces:
        face.told.set()
    assert await draining == 0


async def what_does_not_end_in_time_is_cancelled_and_told_so(gateway: Gateway) -> None:
    await gateway.server.start()
    reading = asyncio.create_task(end_of(gateway.call()))
    for face in gateway.faces:
        face.told.set()
    assert await gateway.server.drain(0.05) == 1
    assert isinstance((await reading).error, NotReadyError)
    assert gateway.book.num_live == 0


async def a_client_that_does_not_read_does_not_hold_up_the_end(gateway: Gateway) -> None:
    await gateway.server.start()
    began_at = time.monotonic()
    assert await gateway.server.drain(0.05) == 0
    assert time.monotonic() - began_at < 10.0
    await gateway.server.aclose()
    assert gateway.notes[-1] == "link closes"


CASES = [
    all_faces_begin,
    or_none_does,
    what_runs_is_finished_and_nothing_new_is_taken,
    what_does_not_end_in_time_is_cancelled_and_told_so,
    a_client_that_does_not_read_does_not_hold_up_the_end,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
def test_gateway_server(case: object) -> None:
    async def with_one() -> None:
        assert callable(case)
        await case(Gateway())

    run(with_one())
