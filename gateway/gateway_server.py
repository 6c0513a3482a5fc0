"""A gateway as a whole: its faces, its calls and its link begin together, and end in good order.

Of one event loop. Not here: the thread that the loop runs in (`gateway_thread`), and who makes the parts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.calls.call_book import CallBook
from gateway.face import Face

_LAST_WORDS_S = 2.0
"""For clients to be told that their calls were cancelled."""


Closer = Callable[[], Awaitable[None]]


class GatewayServer:
    """`start`; then `drain` if there is time, and `aclose`."""

    def __init__(self, book: CallBook, faces: Sequence[Face], closers: Sequence[Closer]) -> None:
        """`closers` end what is behind the faces, in this order, once nobody calls it any more."""
        self._book = book
        self._faces = faces
        self._closers = closers

    @property
    def addresses(self) -> Sequence[str]:
        """In the order of the faces."""
        return [face.address for face in self._faces]

    async def start(self) -> None:
        """All faces, or none: what a face raises is raised, and the gateway is closed."""
        try:
            for face in self._faces:
                await face.start()
        except BaseException:
            await self.aclose()
            raise

    async def drain(self, timeout_s: float) -> int:
        """Take nothing new and wait for what runs; then cancel what is left. -> how many that were."""
        self._book.refuse_new()
        faces = (face.drain(timeout_s) for face in self._faces)
        await asyncio.gather(self._book.wait_idle(timeout_s), *faces)
        num_cancelled = self._book.num_live
        if num_cancelled:
            await self._book.aclose()
            await asyncio.gather(*(face.drain(_LAST_WORDS_S) for face in self._faces))
        return num_cancelled

    async def aclose(self) -> None:
        """What runs is cancelled."""
        await self._book.aclose()
        for face in self._faces:
            await face.aclose()
        for close in self._closers:
            await close()
