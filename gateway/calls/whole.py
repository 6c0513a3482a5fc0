"""A call read to its end, for whoever answers in one piece.

Not here: what the events come to; whoever asks takes them.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from gateway.calls.call import Call
from workers.engine.events import RequestEnded

E = TypeVar("E")


async def read_whole(call: Call[E], take: Callable[[Sequence[E | RequestEnded]], object]) -> None:
    """`take` is given each batch's events. Raises what the call failed with."""
    async with aclosing(call.batches()) as batches:
        async for batch in batches:
            take(batch.events)
    error = call.ended.result().error
    if error is not None:
        raise error
