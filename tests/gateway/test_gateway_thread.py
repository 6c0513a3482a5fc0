"""The loop in its thread: it opens, says what went wrong, and ends at any moment without leaving anything."""

import asyncio
import threading

import pytest

from gateway.calls.call_book import CallBook
from gateway.gateway_server import GatewayServer
from gateway.gateway_thread import GatewayThread
from protos.errors import ConfigError
from tests.gateway.paper_face import PaperFace

WITHIN_S = 10.0


def is_running() -> bool:
    return any(thread.name == "expertmesh-gateway" for thread in threading.enumerate())


def test_it_opens_drains_and_closes() -> None:
    notes: list[str] = []

    async def open_gateway() -> GatewayServer:
        face = PaperFace("http", notes)
        face.told.set()
        return GatewayServer(CallBook(), [face], ())

    thread = GatewayThread(open_gateway)
    assert thread.open().result(WITHIN_S) == ["http:1"]
    assert thread.drain(WITHIN_S) == 0
    thread.close()
    assert notes == ["http starts", "http drains", "http closes"]
    assert not is_running()


def test_what_goes_wrong_is_raised_where_it_is_waited_for() -> None:
    async def open_gateway() -> GatewayServer:
        refusal = ConfigError("the port is taken")
        return GatewayServer(CallBook(), [PaperFace("http", [], refusal)], ())

    thread = GatewayThread(open_gateway)
    with pytest.raises(ConfigError, match="the port is taken"):
        thread.open().result(WITHIN_S)
    thread.close()
    assert not is_running()


def test_it_may_end_before_it_is_open() -> None:
    is_opening = threading.Event()
    was_cancelled = threading.Event()

    async def open_gateway() -> GatewayServer:
        is_opening.set()
        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.set()
        raise AssertionError("it waits for ever")

    thread = GatewayThread(open_gateway)
    opening = thread.open()
    assert is_opening.wait(WITHIN_S)
    thread.close()
    assert was_cancelled.is_set()
    assert opening.cancelled()
    assert not is_running()


def test_one_that_never_opened_closes() -> None:
    async def open_gateway() -> GatewayServer:
        raise AssertionError("nobody opens it")

    GatewayThread(open_gateway).close()
    assert not is_running()
