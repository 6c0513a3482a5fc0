"""A gateway while its command runs: told when it serves, watched, and ended in good order.

Called from the command's main thread, which has the signals. Not here: what else the command runs.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from cluster.config.config import Config
from cluster.plan.words import counted
from cluster.ports import check_free
from gateway.gateway_server import GatewayServer
from gateway.gateway_thread import GatewayThread, OpenGateway
from gateway.http_face.waiting_room import WaitingRoom

Note = Callable[[str], None]


def draining(drain_s: float) -> str:
    """What a command says when it begins to end."""
    return f"takes nothing new; what runs has {drain_s:g} s to end"


class GatewayRun:
    """`check_ports`, `begin`, then `look` again and again; `drain` and `stop` end it."""

    def __init__(
        self, config: Config, name: str, open_gateway: OpenGateway, *, waits_for: str, note: Note
    ) -> None:
        """`waits_for`: a sentence for whoever asks before it serves."""
        self._config = config
        self._name = name
        self._open_gateway = open_gateway
        self._waits_for = waits_for
        self._note = note
        self._thread = GatewayThread(self._open)
        self._opening: Future[Sequence[str]] | None = None
        self._is_open = False

    def check_ports(self) -> None:
        """Raises ConfigError where one is taken: before anything that takes long."""
        gateway = self._config.gateway
        check_free(gateway.host, gateway.http_port, "gateway.http_port or --http-port")
        check_free(gateway.host, gateway.grpc_port, "gateway.grpc_port or --grpc-port")

    def begin(self) -> None:
        self._opening = self._thread.open()

    def look(self) -> None:
        """Says where it serves, once it does; raises what keeps it from that."""
        if self._is_open or self._opening is None or not self._opening.done():
            return
        http, grpc = self._opening.result()
        self._is_open = True
        scheme = "https" if self._config.gateway.tls else "http"
        self._note(f"serves {self._name} at {scheme}://{http}/v1 and, over gRPC, at {grpc}")

    def drain(self, drain_s: float) -> None:
        """Take nothing new, and wait for what runs."""
        num_cancelled = self._thread.drain(drain_s) if self._is_open else 0
        if num_cancelled:
            self._note(f"{counted(num_cancelled, 'request')} had to be cancelled")

    def stop(self) -> None:
        """At once, whether it is open or not."""
        self._thread.close()

    async def _open(self) -> GatewayServer:
        gateway = self._config.gateway
        if not gateway.http_port or gateway.tls:
            return await self._open_gateway()  # nobody knows the port yet, or nobody could read the answer
        async with WaitingRoom(gateway.host, gateway.http_port, self._waits_for):
            return await self._open_gateway()
