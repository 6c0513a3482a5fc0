"""The topology as it was last published, and everybody who waits for the next one.

Not here: what it says. Written by the controller's thread, read by the threads of its servicer.
"""

import secrets
import threading
from dataclasses import replace

from workers.membership.members import MeshTopology


class Board:
    """`generation` rises with every change."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._topology = MeshTopology(controller=secrets.token_hex(8))
        self._is_closed = False

    @property
    def topology(self) -> MeshTopology:
        return self._topology

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def publish(self, topology: MeshTopology) -> None:
        """Nothing happens where it says nothing new."""
        with self._changed:
            now = self._topology
            if replace(topology, generation=now.generation, controller=now.controller) == now:
                return
            self._topology = replace(topology, generation=now.generation + 1, controller=now.controller)
            self._changed.notify_all()

    def next_after(self, generation: int, timeout_s: float) -> MeshTopology | None:
        """None if nothing has changed in that time."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._topology.generation > generation or self._is_closed, timeout_s
            )
            return self._topology if self._topology.generation > generation else None

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
