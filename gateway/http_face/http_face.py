"""The HTTP server of a gateway, inside the gateway's own event loop.

Not here: endpoints, and signals (the command's). `start`, then `drain` and `aclose`, or `aclose` alone.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from email.utils import formatdate

from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.classify.policy_store import PolicyStore
from gateway.http_face.app import make_app
from gateway.http_face.connection import HttpConnection
from gateway.http_face.endpoint import Endpoint
from gateway.http_face.endpoints import all_endpoints
from gateway.http_face.openapi import openapi_endpoint
from gateway.http_face.settings import HttpSettings
from gateway.inference import Inference
from protos.errors import ConfigError
from router.channel import TlsFiles

_BACKLOG = 2048
_TICK_S = 1.0
_POLL_S = 0.02


class HttpFace:
    """`more_endpoints` are those of other parts of the gateway."""

    def __init__(
        self,
        inference: Inference,
        policies: PolicyStore,
        host: str,
        port: int,
        settings: HttpSettings | None = None,
        more_endpoints: Sequence[Endpoint] = (),
        tls: TlsFiles | None = None,
    ) -> None:
        self._inference = inference
        self._host = host
        self._port = port
        self._settings = settings or HttpSettings()
        self._tls = tls
        endpoints = (*all_endpoints(inference, policies), *more_endpoints)
        app = make_app((*endpoints, openapi_endpoint(endpoints)), self._settings)
        self._config = Config(
            app,
            http=HttpConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # what clients do wrong, they are told
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=self._settings.keep_alive_s,  # type: ignore[arg-type] # seconds may be parts
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """host:port; the port that was bound, if any free one was asked for."""
        assert self._server is not None, "it has been started"
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def num_connections(self) -> int:
        return len(self._state.connections)

    @property
    def num_running(self) -> int:
        """Requests that are being answered."""
        return len(self._state.tasks)

    async def start(self) -> None:
        """Raises ConfigError if the address cannot be had."""
        self._config.load()
        loop = asyncio.get_running_loop()
        try:
            bound = socket.create_server(
                (self._host, self._port), family=_family(self._host), backlog=_BACKLOG
            )
        except OSError as error:
            raise ConfigError(
                f"the HTTP face cannot listen on {self._host}:{self._port}: {error.strerror}; choose another "
                f"host or port"
            ) from error
        secured = None if self._tls is None else _secured(self._tls)
        self._server = await loop.create_server(self._connection, sock=bound, backlog=_BACKLOG, ssl=secured)
        self._ticking = asyncio.create_task(self._tell_the_date(), name="date of HTTP answers")

    async def drain(self, timeout_s: float) -> bool:
        """Takes nothing new, and waits for what runs; -> whether all of it has ended.

        It goes on listening, so that whoever comes is told where things stand.
        """
        self._inference.book.refuse_new()
        self._retire_connections()
        try:
            async with asyncio.timeout(timeout_s):
                while self._state.tasks:
                    await asyncio.sleep(_POLL_S)
                    self._retire_connections()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """Ends every connection, and waits until what it served has ended too."""
        if self._server is None or self._ticking is None:
            return
        self._server.close()
        self._ticking.cancel()
        for connection in self._connections():
            connection.abort()
        while self._state.tasks or self._state.connections:
            await asyncio.sleep(_POLL_S)
        await self._server.wait_closed()

    def _connection(self) -> HttpConnection:
        return HttpConnection(self._config, self._state, self._settings)

    def _connections(self) -> list[HttpConnection]:
        return [each for each in self._state.connections if isinstance(each, HttpConnection)]

    def _retire_connections(self) -> None:
        for connection in self._connections():
            connection.retire()

    async def _tell_the_date(self) -> None:
        while True:
            self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            await asyncio.sleep(_TICK_S)


def _secured(tls: TlsFiles) -> ssl.SSLContext:
    """Clients need no certificates of their own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificate {tls.certificate} cannot be used with the key {tls.key}: {error}"
        ) from error
    return context


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
