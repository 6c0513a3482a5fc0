"""An attention worker on the network: AttentionService, health and reflection on one port.

Not here: the engine's making and its process. Used by whatever gives the worker a process.
"""

import threading
from collections.abc import Callable

from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from protos.gen.v1 import attention_pb2_grpc
from router.channel import TlsFiles, listen, make_server
from workers.attention.limits import MAX_MESSAGE_BYTES
from workers.attention.service import AttentionServicer, ServedModel
from workers.attention.switchboard import Switchboard
from workers.engine.door import EngineDoor

SERVICE = "expertmesh.attention.v1.AttentionService"
_NUM_THREADS = 128
"""Each gateway's stream takes one for as long as it stands."""


class AttentionServer:
    """`start`, then `address` is true until `stop`. The engine is the caller's, to start and to close."""

    def __init__(
        self,
        engine: EngineDoor,
        switchboard: Switchboard,
        model: ServedModel,
        host: str,
        port: int = 0,
        *,
        tls: TlsFiles | None = None,
        load_every_s: float = 0.25,
        epoch: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._checks = health.HealthServicer()
        self._servicer = AttentionServicer(
            engine, switchboard, model, load_every_s=load_every_s, epoch=epoch, drains=self._report_unfit
        )
        self._server = make_server(_NUM_THREADS, MAX_MESSAGE_BYTES)
        attention_pb2_grpc.add_AttentionServiceServicer_to_server(self._servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._checks, self._server)
        reflection.enable_server_reflection(
            (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        self.address = f"{host}:{listen(self._server, f'{host}:{port}', tls)}"

    def start(self) -> None:
        self._report(health_pb2.HealthCheckResponse.SERVING)
        self._server.start()
        threading.Thread(target=self._watch, name="expertmesh-attention-health", daemon=True).start()

    def stop(self, grace_s: float = 0.0) -> None:
        """Streams break, so every request that has not ended is cancelled here; gateways go on elsewhere."""
        self._report_unfit()
        self._server.stop(grace_s).wait()
        self._servicer.close()

    def _watch(self) -> None:
        self._engine.wait_ended()
        self._report_unfit()

    def _report_unfit(self) -> None:
        self._report(health_pb2.HealthCheckResponse.NOT_SERVING)

    def _report(self, status: int) -> None:
        for name in ("", SERVICE):
            self._checks.set(name, status)
