"""One client's connection: uvicorn's HTTP/1.1 protocol, with an end to everything that a client can draw out.

Deadlines for headers, for a body that is not read any more, and for a client that leaves its answer unread; a
limit for headers; what is no HTTP is answered as all errors are. Not here: what requests mean (`app`), the
deadline of a body that is read (`exchange`).
"""

import asyncio
import socket
from typing import Protocol

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.http_face.error_answer import ErrorAnswer
from gateway.http_face.settings import HttpSettings
from protos.errors import CapacityError, ExpertMeshError, InvalidRequestError, SlowSenderError

_HEADERS_TOO_LARGE = 431


class _App(Protocol):
    """What uvicorn calls."""

    async def __call__(self, *arguments: object) -> None: ...


class HttpConnection(HttpToolsProtocol):
    """Of one event loop. `retire` lets it end what runs and take nothing else."""

    def __init__(self, config: Config, state: ServerState, settings: HttpSettings) -> None:
        super().__init__(config, state, app_state={})
        self._settings = settings
        self._running: RequestResponseCycle | None = None  # `cycle` is that of the newest request
        self._reads_headers = True
        self._is_message_whole = True
        self._num_header_bytes = 0
        self._receiving: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def retire(self) -> None:
        """An idle one is closed now, one that answers after its answer, a new one after its first."""
        if self._running is None:
            return  # a request is on its way, or its time will be over
        if self._running.response_complete:
            self.transport.close()
            return
        self._running.keep_alive = False
        self.pipeline.clear()

    def abort(self) -> None:
        """Now, whatever is unsent."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does it only for sockets that name TCP as their protocol, which accepted ones do not here
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > self._settings.max_connections:
            self._refuse(
                CapacityError(
                    f"{self._settings.max_connections} connections are open here, and that is the limit "
                    f"(max_connections); try again later"
                )
            )
            return
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_receiving()
        self._stop_writing()
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._reads_headers:
            if self._receiving is None:
                self._await_headers()
            self._num_header_bytes += len(data)
        super().data_received(data)
        if self._reads_headers and self._num_header_bytes > self._settings.max_header_bytes:
            self._refuse(
                InvalidRequestError(
                    f"the headers have more than {self._settings.max_header_bytes} bytes (max_header_bytes)"
                ),
                _HEADERS_TOO_LARGE,
            )

    def on_headers_complete(self) -> None:
        self._reads_headers = False
        self._is_message_whole = False
        self._num_header_bytes = 0
        self._stop_receiving()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_message_whole = True
        self._reads_headers = True
        self._stop_receiving()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_writing()  # what is still unsent has its time too
        elif not self._is_message_whole:
            self._receiving = self.loop.call_later(self._settings.body_timeout_s, self.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_writing()

    def send_400_response(self, msg: str) -> None:
        if self._running is not None and not self._running.response_complete:
            self.abort()  # an answer is under way, and another cannot stand in it
            return
        self._refuse(InvalidRequestError(f"this is not HTTP/1.1 as it is taken here: {msg}"))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: _App) -> None:  # type: ignore[override]
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _await_headers(self) -> None:
        self._receiving = self.loop.call_later(self._settings.header_timeout_s, self._headers_are_late)

    def _headers_are_late(self) -> None:
        is_busy = self._running is not None and not self._running.response_complete
        if is_busy or not self._num_header_bytes:
            self.abort()
            return
        limit_s = self._settings.header_timeout_s
        self._refuse(SlowSenderError(f"the headers were not whole after {limit_s:g} s; send them faster"))

    def _refuse(self, error: ExpertMeshError, status: int | None = None) -> None:
        """Of what has not become a request; the connection ends."""
        answer = ErrorAnswer.of(error)
        body = answer.body
        lines = [
            f"HTTP/1.1 {answer.status if status is None else status} {type(error).__name__}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()
        self._start_writing()

    def _start_writing(self) -> None:
        if self._writing is None:
            self._writing = self.loop.call_later(self._settings.write_timeout_s, self.abort)

    def _stop_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _stop_receiving(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None
