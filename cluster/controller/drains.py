"""Attention workers that are leaving: told once to take nothing new, and waited for.

A thread each, as a drain takes as long as the requests that still run. Not here: who shall leave (`wishes`).
"""

import logging
import threading
from collections.abc import Callable

import grpc

from router.channel import TlsFiles
from workers.attention.control import AttentionControl

logger = logging.getLogger(__name__)

_ASK_FOR_S = 3600.0


class AttentionDrains:
    """`has_ended` tells of each whether its process may go."""

    def __init__(self, tls: TlsFiles | None, changed: Callable[[], None]) -> None:
        self._tls = tls
        self._changed = changed
        self._name_to_address: dict[str, str] = {}
        self._ended: set[str] = set()

    def has_begun(self, name: str, address: str) -> bool:
        """Then it takes nothing new until its process begins anew."""
        return self._name_to_address.get(name) == address

    def has_ended(self, name: str, address: str) -> bool:
        """The first question about a worker begins its drain."""
        if not self.has_begun(name, address):
            self._name_to_address[name] = address
            self._ended.discard(name)
            threading.Thread(
                target=self._drain, args=(name, address), name=f"expertmesh-drain-{name}", daemon=True
            ).start()
        return name in self._ended

    def forget(self, name: str) -> None:
        self._name_to_address.pop(name, None)
        self._ended.discard(name)

    def _drain(self, name: str, address: str) -> None:
        control = AttentionControl(address, self._tls)
        try:
            num_left = control.drain(_ASK_FOR_S)
            logger.info("attention worker %s is drained, %d requests have not ended", name, num_left)
        except grpc.RpcError as error:
            logger.warning("attention worker %s went while it was drained: %s", name, error)
        finally:
            control.close()
        if self.has_begun(name, address):
            self._ended.add(name)
            self._changed()
