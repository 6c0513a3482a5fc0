"""The gRPC server of a worker: threads, TLS, health and reflection, as every worker has them.

Not here: services; each worker adds its own before it listens.
"""

from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from router.channel import TlsFiles, listen, make_server


class WorkerServer:
    """`server` takes services; then `listen`, `start`, and `address` is true until `stop`."""

    def __init__(self, service: str, num_threads: int, max_bytes: int) -> None:
        self.server = make_server(num_threads, max_bytes)
        self.address = ""
        self._service = service

    def listen(self, host: str, port: int, tls: TlsFiles | None) -> None:
        checks = health.HealthServicer()
        for name in ("", self._service):
            checks.set(name, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(checks, self.server)
        names = (self._service, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self.server)
        self.address = f"{host}:{listen(self.server, f'{host}:{port}', tls)}"

    def start(self) -> None:
        self.server.start()

    def stop(self, grace_s: float = 0.0) -> None:
        """Streams break; whoever sent a frame sends it elsewhere."""
        self.server.stop(grace_s).wait()
