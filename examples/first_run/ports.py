"""Which ports the server gets: those that were asked for, else the usual ones, else any that are free.

Not here: who listens there.
"""

import socket
from dataclasses import dataclass

from cluster.config.config import ControllerConfig, GatewayConfig
from cluster.ports import check_free
from protos.errors import AddressTakenError

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """Of the OpenAI API, of gRPC, of the controller."""

    http: int
    grpc: int
    controller: int
    changed: tuple[str, ...] = ()  # sentences on those that are not the usual ones

    @property
    def http_address(self) -> str:
        return f"{HOST}:{self.http}"

    @property
    def grpc_address(self) -> str:
        return f"{HOST}:{self.grpc}"

    @property
    def controller_address(self) -> str:
        return f"{HOST}:{self.controller}"


USUAL = Ports(GatewayConfig().http_port, GatewayConfig().grpc_port, ControllerConfig().port)


def choose_ports(http: int | None, grpc: int | None, controller: int | None, usual: Ports = USUAL) -> Ports:
    """Raises AddressTakenError for one that was asked for and is taken."""
    changed: list[str] = []

    def choose(asked: int | None, usual: int, variable: str) -> int:
        if asked is not None:
            check_free(HOST, asked, variable)
            return asked or _any_free()
        try:
            check_free(HOST, usual, variable)
        except AddressTakenError:
            port = _any_free()
            changed.append(f"port {usual} is taken, so it is {port}; {variable}=N chooses another")
            return port
        return usual

    return Ports(
        choose(http, usual.http, "HTTP_PORT"),
        choose(grpc, usual.grpc, "GRPC_PORT"),
        choose(controller, usual.controller, "CONTROLLER_PORT"),
        tuple(changed),
    )


def _any_free() -> int:
    with socket.create_server((HOST, 0)) as found:
        return int(found.getsockname()[1])
