"""The gRPC server of a gateway: InferenceService, health and reflection on one port.

Not here: what the service does (`inference_service`), and the order in which a gateway begins and ends.
"""

import asyncio
from contextlib import suppress

import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.classify.policy_store import PolicyStore
from gateway.grpc_face.inference_service import SERVICE, InferenceServicer
from gateway.grpc_face.methods import handlers
from gateway.grpc_face.open_rpcs import OpenRpcs
from gateway.grpc_face.readiness import Readiness
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.inference import Inference
from router.channel import TlsFiles, listen, server_options


class GrpcFace:
    """`start` in a running event loop; `drain`, then `aclose`. Port 0: the system chooses one."""

    def __init__(
        self,
        inference: Inference,
        policies: PolicyStore,
        host: str,
        port: int = 0,
        *,
        tls: TlsFiles | None = None,
        settings: GrpcFaceSettings | None = None,
    ) -> None:
        self.address = ""
        self._inference = inference
        self._policies = policies
        self._host, self._port, self._tls = host, port, tls
        self._settings = settings or GrpcFaceSettings()
        self._readiness = Readiness(inference.check_ready, (SERVICE.full_name,), self._settings.readiness_s)
        self._rpcs = OpenRpcs()
        self._server: grpc.aio.Server | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises ConfigError where it cannot listen."""
        settings = self._settings
        self._server = server = grpc.aio.server(
            options=server_options(settings.max_response_bytes, settings.max_request_bytes),
            maximum_concurrent_rpcs=settings.max_concurrent_rpcs,
        )
        servicer = InferenceServicer(self._inference, self._policies, settings)
        server.add_generic_rpc_handlers((handlers(SERVICE, servicer, settings, self._rpcs),))
        health_pb2_grpc.add_HealthServicer_to_server(self._readiness.servicer, server)
        names = (SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        port = listen(server, f"{self._host}:{self._port}", self._tls, is_mutual=False)
        self.address = f"{self._host}:{port}"
        await self._readiness.look()
        await server.start()
        self._watching = asyncio.create_task(self._readiness.watch(), name="gRPC readiness")

    async def drain(self, timeout_s: float) -> bool:
        """Takes nothing new; what runs goes on, and can be resumed. -> whether all has ended in this time.

        Calls that nobody reads are waited for too: their readers may come back.
        """
        await self._readiness.stop_serving()
        book = self._inference.book
        book.refuse_new()
        return all(await asyncio.gather(book.wait_idle(timeout_s), self._rpcs.wait_none(timeout_s)))

    async def aclose(self, grace_s: float = 1.0) -> None:
        """What has not ended after the grace is broken off."""
        await self._readiness.stop_serving()
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._server is not None:
            await self._server.stop(grace_s)
