"""The seam between a gateway and the protocols that clients speak to it: gRPC, HTTP.

Not here: what a face serves (`inference`), and when faces begin and end (`gateway_server`).
"""

from typing import Protocol


class Face(Protocol):
    """Of one event loop. `start`, perhaps `drain`, then `aclose`, which may also come at any time."""

    @property
    def address(self) -> str:
        """Where it listens, host:port; true once it has started."""
        ...

    async def start(self) -> None:
        """Listen. Raises ConfigError where the port is taken."""
        ...

    async def drain(self, timeout_s: float) -> bool:
        """Say that it is not ready, and wait until clients have been told all; -> whether they have."""
        ...

    async def aclose(self) -> None:
        """Break what is left."""
        ...
