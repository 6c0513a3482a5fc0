"""A gateway's event loop in a thread of its own, beside what else its process does: signals, an engine, Ray.

Not here: the gateway (`gateway_server`). Called by commands, from their main thread.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future

from gateway.gateway_server import GatewayServer

OpenGateway = Callable[[], Awaitable[GatewayServer]]
"""Makes the parts, in the loop that they belong to. May take long; closing the thread cancels it."""


class GatewayThread:
    """`open`; once its future is done, perhaps `drain`; then `close`."""

    def __init__(self, open_gateway: OpenGateway) -> None:
        self._open_gateway = open_gateway
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._opening: Future[Sequence[str]] | None = None
        self._server: GatewayServer | None = None

    def open(self) -> "Future[Sequence[str]]":
        """-> the addresses of its faces, once they listen; or what went wrong."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="expertmesh-gateway", daemon=True)
        self._thread.start()
        self._opening = asyncio.run_coroutine_threadsafe(self._open(), self._loop)
        return self._opening

    def drain(self, timeout_s: float) -> int:
        """-> how many calls had to be cancelled."""
        assert self._loop is not None, "it is open"
        assert self._server is not None, "it is open"
        return asyncio.run_coroutine_threadsafe(self._server.drain(timeout_s), self._loop).result()

    def close(self) -> None:
        """At once, open or not."""
        if self._loop is None or self._thread is None or self._opening is None:
            return
        self._opening.cancel()
        asyncio.run_coroutine_threadsafe(self._aclose(self._loop), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> Sequence[str]:
        server = await self._open_gateway()
        await server.start()
        self._server = server
        return server.addresses

    async def _aclose(self, loop: asyncio.AbstractEventLoop) -> None:
        """Whatever was begun in this loop has ended then."""
        if self._server is not None:
            await self._server.aclose()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()
