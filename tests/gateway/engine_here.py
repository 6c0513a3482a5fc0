"""An engine of this process behind a link, for as long as a test wants it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.engine_link.local_link import LocalEngineLink
from workers.engine.admission import Admission
from workers.engine.core import EngineCore
from workers.engine.door import Deliver
from workers.engine.engine import Engine


@asynccontextmanager
async def engine_here(
    core: EngineCore, admission: Admission, max_waiting: int = 64
) -> AsyncIterator[LocalEngineLink]:
    engines: list[Engine] = []

    def make(deliver: Deliver) -> Engine:
        engines.append(Engine(core, admission, max_waiting=max_waiting, deliver=deliver))
        return engines[0]

    link = LocalEngineLink(make)
    engines[0].start()
    try:
        yield link
    finally:
        await asyncio.to_thread(engines[0].close)
