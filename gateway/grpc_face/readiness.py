"""Keeps the health service true: it says NOT_SERVING whenever the gateway could not take a request.

Not here: what readiness is (`Inference.check_ready`).
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from grpc_health.v1 import health, health_pb2

from protos.errors import NotReadyError

logger = logging.getLogger(__name__)

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Readiness:
    """`watch` until it is cancelled, or `stop_serving` for good."""

    def __init__(self, check: Callable[[], None], services: Sequence[str], every_s: float) -> None:
        """`check` raises NotReadyError."""
        self.servicer = health.aio.HealthServicer()
        self._check = check
        self._services = ("", *services)
        self._every_s = every_s
        self._noted = ""

    async def watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        try:
            self._check()
        except NotReadyError as error:
            self._note(str(error))
            is_serving = False
        else:
            self._note("it serves")
            is_serving = True
        for service in self._services:
            await self.servicer.set(service, _SERVING if is_serving else _NOT_SERVING)

    def _note(self, said: str) -> None:
        if said != self._noted:
            logger.info("gRPC health: %s", said)
        self._noted = said

    async def stop_serving(self) -> None:
        """Whatever `check` says from now on."""
        await self.servicer.enter_graceful_shutdown()
