"""The answer as server-sent events: one write for all that is new, and a late error as the last of them.

Not here: what an event says; whoever streams brings its bytes.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.client_error import told
from gateway.http_face.error_answer import ErrorAnswer
from gateway.http_face.exchange import Exchange

DONE = b"data: [DONE]\n\n"


async def send_events(exchange: Exchange, events: AsyncGenerator[bytes, None], last: bytes = DONE) -> None:
    """`events` gives one or more whole events at a time, and raises where they cannot go on.

    Nothing is written before the first ones are there: an error until then has a status of its own.
    """
    try:
        async with aclosing(events):
            async for data in events:
                if not exchange.has_begun:
                    await exchange.begin_events()
                await exchange.write(data)
    except Exception as error:
        if not exchange.has_begun or exchange.is_gone:
            raise
        last = error_event(error, exchange.request_id)
    await exchange.end(last)


def error_event(error: Exception, request_id: str) -> bytes:
    """The terminal event of a stream that has failed; nothing follows it."""
    return b"data: " + ErrorAnswer.of(told(error, request_id, "the end of its stream")).body + b"\n\n"
