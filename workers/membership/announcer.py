"""Tells the controller that a worker is there, again and again, so that any controller soon knows of it.

Used by every worker's process. Not here: what a worker does.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import grpc

from protos.gen.v1 import cluster_pb2_grpc
from router.channel import TlsFiles, open_channel
from workers.membership.members import Announcement
from workers.membership.topology_codec import announcement_to_message
from workers.membership.topology_watch import MAX_BYTES, FindController

logger = logging.getLogger(__name__)

ANNOUNCE_EVERY_S, _ANSWER_WITHIN_S = 0.5, 2.0


class Announcer:
    """`describe` is asked each time, so that epoch and load are those of the moment."""

    def __init__(
        self, find: FindController, describe: Callable[[], Announcement], tls: TlsFiles | None = None
    ) -> None:
        self._find = find
        self._describe = describe
        self._tls = tls
        self._incarnation = f"{time.time_ns():020d}-{secrets.token_hex(4)}"  # later ones sort behind
        self._stirred = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._announce, name="expertmesh-announcer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stir(self) -> None:
        """Something has changed that the controller waits for."""
        self._stirred.set()

    def close(self) -> None:
        self._is_closed = True
        self._stirred.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _announce(self) -> None:
        while not self._is_closed:
            try:
                self._announce_to(self._find())
            except Exception as error:
                logger.debug("the controller is not to be found: %s", error)
            self._pause()

    def _announce_to(self, address: str) -> None:
        """Until it does not answer."""
        channel = open_channel(address, MAX_BYTES, self._tls)
        try:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            while not self._is_closed:
                said = replace(self._describe(), incarnation=self._incarnation)
                stub.Announce(announcement_to_message(said), timeout=_ANSWER_WITHIN_S)
                self._pause()
        except grpc.RpcError as error:
            logger.debug("the controller does not answer: %s", error)
        finally:
            channel.close()

    def _pause(self) -> None:
        self._stirred.wait(ANNOUNCE_EVERY_S)
        self._stirred.clear()
