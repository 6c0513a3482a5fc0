"""A face in a thread of its own, for clients that know nothing of asyncio."""

import asyncio
import threading
from types import TracebackType

from model.tokenizer import Tokenizer
from tests.gateway.http_face.running_face import running_face


class FaceInThread:
    """A context manager; `url` is there inside."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._error: BaseException | None = None
        self.url = ""

    def __enter__(self) -> "FaceInThread":
        self._thread.start()
        assert self._started.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._error is not None and error is None:
            raise self._error

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            async with running_face(self._tokenizer) as running:
                self.url = running.url
                self._started.set()
                await self._stop.wait()
        except BaseException as wrong:
            self._error = wrong
