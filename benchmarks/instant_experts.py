"""An expert worker that answers at once, and a bare echo beside it: a process for `benchmarks.router`.

    python -m benchmarks.instant_experts NAME

The worker reads a dispatch and answers with rows that lie ready: all that a real one does but its arithmetic.
The echo answers each message with as many bytes as the message's first eight say: what gRPC takes to carry
the same bytes, and nothing else. It prints the address of both, and ends when its input is closed.
"""

import sys
from collections.abc import Iterator

import grpc

from router.channel import listen, make_server
from router.dispatch_frames import Dispatch, Hello, Reply
from router.frame import Frame
from router.frame_service import add_frame_service
from router.rows import num_bytes

HIDDEN = 2880
MAX_FRAME_BYTES = 64 << 20
ECHO = "/expertmesh.benchmark/Echo"


class InstantExperts:
    """A `FrameHandler`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows = memoryview(bytes(MAX_FRAME_BYTES))

    def hello(self) -> Hello:
        return Hello(self._name, "instant", "instant", 0, 4, MAX_FRAME_BYTES)

    def answer(self, frame: Frame) -> bytes:
        dispatch = Dispatch.of(frame)
        rows = self._rows[: dispatch.num_reply_rows * num_bytes(dispatch.row_format, HIDDEN)]
        return Reply(dispatch.number, 0, dispatch.row_format, (rows,)).encode()


def add_echo(server: grpc.Server) -> None:
    ready = bytes(MAX_FRAME_BYTES)

    def echo(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: ARG001
        answer = b""
        for data in requests:
            length = int.from_bytes(data[:8], "little")
            if len(answer) != length:  # else no byte is copied here
                answer = ready[:length]
            yield answer

    service, method = ECHO.strip("/").split("/")
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        method: grpc.stream_stream_rpc_method_handler(echo)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def main() -> int:
    server = make_server(8, MAX_FRAME_BYTES)
    add_frame_service(server, InstantExperts(sys.argv[1]))
    add_echo(server)
    port = listen(server, "127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(0).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
