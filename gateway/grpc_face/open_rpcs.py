"""How many remote calls are being answered: a drain waits until their readers have been told everything.

Not here: calls of the gateway (`gateway.calls`), which end before a slow reader has read their end. Of one
event loop.
"""

import asyncio

from gateway.grpc_face.rpc import Context


class OpenRpcs:
    """`note` each when it comes."""

    def __init__(self) -> None:
        self._num_open = 0
        self._none_left = asyncio.Event()
        self._none_left.set()

    def note(self, context: Context) -> None:
        """It is open until its status has been sent, or nobody is there to get it."""
        self._num_open += 1
        self._none_left.clear()
        context.add_done_callback(self._note_end)  # type: ignore[arg-type] # any callable will do

    async def wait_none(self, timeout_s: float) -> bool:
        """-> whether there was none in this time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._none_left.wait()
        except TimeoutError:
            return False
        return True

    def _note_end(self, _: object) -> None:
        self._num_open -= 1
        if not self._num_open:
            self._none_left.set()
