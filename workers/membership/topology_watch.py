"""Follows the controller's topology for as long as a process lives, whatever becomes of the controller.

A thread holds the stream; when it breaks, or nothing comes for too long, it looks for the controller again.
The last topology stays true meanwhile. Used by attention workers, stages and commands.
"""

import logging
import threading
from collections.abc import Callable

import grpc

from protos.errors import ConfigError
from protos.gen.v1 import cluster_pb2, cluster_pb2_grpc
from router.channel import TlsFiles, open_channel
from workers.membership.members import MeshTopology
from workers.membership.topology_codec import topology_from_message

logger = logging.getLogger(__name__)

MAX_BYTES = 16 << 20
_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.1, 2.0

FindController = Callable[[], str]
"""Its address as of now; may raise anything while there is none."""


class TopologyWatch:
    """`start`; then `heard` is called on the watch's thread, and `close` ends it."""

    def __init__(
        self, find: FindController, heard: Callable[[MeshTopology], None], tls: TlsFiles | None = None
    ) -> None:
        self._find = find
        self._heard = heard
        self._tls = tls
        self._is_closed = threading.Event()
        self._channel: grpc.Channel | None = None
        self._thread = threading.Thread(target=self._follow, name="expertmesh-topology", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._is_closed.set()
        channel = self._channel
        if channel is not None:
            channel.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _follow(self) -> None:
        pause = _LEAST_PAUSE_S
        while not self._is_closed.is_set():
            try:
                if self._listen(self._find()):
                    pause = _LEAST_PAUSE_S
            except (grpc.RpcError, ValueError) as error:  # ValueError: the channel was closed under us
                logger.debug("the controller does not answer: %s", error)
            except ConfigError:
                logger.exception("the controller says what cannot be")
            except Exception as error:
                logger.debug("the controller is not to be found: %s", error)
            self._is_closed.wait(pause)
            pause = min(2 * pause, _MOST_PAUSE_S)

    def _listen(self, address: str) -> bool:
        """Until the stream ends; -> whether anything came."""
        channel = self._channel = open_channel(address, MAX_BYTES, self._tls)
        has_come = False
        try:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            for said in stub.WatchTopology(cluster_pb2.WatchTopologyRequest()):
                has_come = True
                if said.HasField("topology"):
                    self._heard(topology_from_message(said.topology))
        finally:
            channel.close()
        return has_come
