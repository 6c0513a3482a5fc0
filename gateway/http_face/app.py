"""The ASGI application: finds the endpoint of a request, and turns whatever it raises into an answer.

Nothing escapes from here: uvicorn would answer with words of its own. Not here: connections (`connection`),
what endpoints do.
"""

import logging
from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.client_error import told
from gateway.http_face.endpoint import Endpoint
from gateway.http_face.error_answer import ErrorAnswer
from gateway.http_face.exchange import Exchange
from gateway.http_face.settings import HttpSettings
from protos.errors import NotFoundError, NotReadyError, WrongMethodError

logger = logging.getLogger(__name__)


def make_app(endpoints: Sequence[Endpoint], settings: HttpSettings) -> ASGIApp:
    paths = dict.fromkeys(endpoint.path for endpoint in endpoints)
    routes = [
        Route(path, _Path([each for each in endpoints if each.path == path], settings)) for path in paths
    ]
    router: ASGIApp = Router(routes, redirect_slashes=False, default=_Unknown(settings))
    if not settings.cors_origins:
        return router
    return CORSMiddleware(
        router, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"]
    )


class _Path:
    """All endpoints of one path."""

    def __init__(self, endpoints: Sequence[Endpoint], settings: HttpSettings) -> None:
        self._settings = settings
        self._method_to_endpoint = {endpoint.method: endpoint for endpoint in endpoints}
        if "GET" in self._method_to_endpoint:
            self._method_to_endpoint["HEAD"] = self._method_to_endpoint["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, self._settings)
        endpoint = self._method_to_endpoint.get(exchange.method)
        if endpoint is None:
            allowed = ", ".join(sorted(self._method_to_endpoint))
            error = WrongMethodError(f"{exchange.path} takes {allowed}; {exchange.method} was sent")
            await exchange.send_error(ErrorAnswer.of(error, {"allow": allowed}))
            return
        try:
            await endpoint.serve(exchange)
        except Exception as error:
            await _answer(exchange, error)


class _Unknown:
    """Answers for every other path."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, self._settings)
        error = NotFoundError(f"there is no {exchange.path[:200]} here; /openapi.json says what there is")
        await exchange.send_error(ErrorAnswer.of(error))


async def _answer(exchange: Exchange, error: Exception) -> None:
    answered = told(error, exchange.request_id, f"{exchange.method} {exchange.path}")
    if exchange.is_gone:
        logger.debug("the client of %s has gone: %s", exchange.request_id, error)
        return
    assert not exchange.has_begun, "an endpoint that has begun its answer ends it"
    if isinstance(answered, NotReadyError):
        exchange.close_after()
    await exchange.send_error(ErrorAnswer.of(answered))
