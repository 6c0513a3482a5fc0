"""Reads the calls of several prompts as one: whatever is new of any of them, until all have ended.

Not here: what the events mean. Read it under `aclosing`: then no call is left behind.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AsyncExitStack, aclosing

from gateway.calls.call import Batch, Call
from workers.engine.events import Event, RequestEnded

News = tuple[int, Sequence[Event | RequestEnded]]
"""Of the call with this index."""

Batches = AsyncGenerator[Batch[Event], None]


async def read_together(calls: Sequence[Call[Event]]) -> AsyncGenerator[News, None]:
    """Nothing comes before every call has been taken; if one is refused, its error is raised."""
    async with AsyncExitStack() as stack:
        stack.callback(_give_up, calls)
        readers = [await stack.enter_async_context(aclosing(call.batches())) for call in calls]
        for index, batch in enumerate(await _firsts(readers)):
            yield index, batch.events
        if len(readers) == 1:
            async for batch in readers[0]:
                yield 0, batch.events
            return
        waiting = {asyncio.create_task(_next(reader)): index for index, reader in enumerate(readers)}
        stack.push_async_callback(_end, waiting)
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                index = waiting.pop(task)
                if (batch_or_end := task.result()) is not None:
                    yield index, batch_or_end.events
                    waiting[asyncio.create_task(_next(readers[index]))] = index


def _give_up(calls: Sequence[Call[Event]]) -> None:
    """One that nobody has begun to read would not notice that nobody does."""
    for call in calls:
        if not call.is_kept:
            call.cancel()


async def _firsts(readers: Sequence[Batches]) -> list[Batch[Event]]:
    if len(readers) == 1:
        return [await anext(readers[0])]
    tasks = [asyncio.create_task(_next(reader)) for reader in readers]
    try:
        return [batch for batch in await asyncio.gather(*tasks) if batch is not None]
    finally:
        await _end(tasks)


async def _next(reader: Batches) -> Batch[Event] | None:
    return await anext(reader, None)


async def _end(tasks: Collection["asyncio.Task[Batch[Event] | None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
