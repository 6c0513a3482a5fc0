"""The worker's end of a standing stream: greets, reads frames, answers each with one.

A frame that cannot be read is refused in words, and the stream goes on; so does the worker, whatever comes.
Not here: what is computed (`FrameHandler`). Used by expert workers and by stages.
"""

import logging
from collections.abc import Iterator
from typing import Protocol

import grpc

from protos.errors import ExpertMeshError
from router.dispatch_frames import Hello, Refusal
from router.frame import Frame, decode
from router.lane import METHOD

logger = logging.getLogger(__name__)


class FrameHandler(Protocol):
    """Called from the streams' threads, several at once."""

    def hello(self) -> Hello: ...

    def answer(self, frame: Frame) -> bytes:
        """-> a frame; what it raises becomes a refusal."""
        ...


def add_frame_service(server: grpc.Server, handler: FrameHandler) -> None:
    def exchange(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: ARG001
        hello = handler.hello()
        yield hello.encode()
        for data in requests:
            yield _answer(handler, data, hello.max_frame_bytes)

    service, method = METHOD.strip("/").split("/")
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        method: grpc.stream_stream_rpc_method_handler(exchange)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _answer(handler: FrameHandler, data: bytes, max_frame_bytes: int) -> bytes:
    frame: Frame | None = None
    try:
        frame = decode(data, max_frame_bytes)
        return handler.answer(frame)
    except ExpertMeshError as error:
        return Refusal.because(error, number_of(frame), handler.hello().epoch).encode()
    except Exception as error:
        logger.exception("a frame broke the worker's computation; the worker goes on")
        return Refusal.because(error, number_of(frame), handler.hello().epoch).encode()


def number_of(frame: Frame | None) -> int | None:
    """By which its sender knows it: the second field of every frame that wants an answer."""
    number = frame.fields[1] if frame is not None and len(frame.fields) > 1 else None
    return number if type(number) is int and number >= 0 else None
