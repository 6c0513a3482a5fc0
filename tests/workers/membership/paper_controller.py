"""ClusterService as a worker sees it: it hears announcements, and says what the test wants."""

import queue
import threading
from collections.abc import Iterator
from itertools import count

import grpc

from protos.gen.v1 import cluster_pb2 as pb
from protos.gen.v1 import cluster_pb2_grpc
from router.channel import listen, make_server
from workers.membership.members import Announcement, MeshTopology
from workers.membership.topology_codec import announcement_from_message, topology_to_message


class PaperController(cluster_pb2_grpc.ClusterServiceServicer):
    """`stop` breaks every stream, as its death would."""

    def __init__(self, port: int = 0) -> None:
        self.announced: queue.SimpleQueue[Announcement] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._topologies: list[MeshTopology] = []
        self._is_stopped = False
        self._server = make_server(8, 1 << 20)
        cluster_pb2_grpc.add_ClusterServiceServicer_to_server(self, self._server)
        self.port = listen(self._server, f"127.0.0.1:{port}")
        self._server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def say(self, topology: MeshTopology) -> None:
        with self._changed:
            self._topologies.append(topology)
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._server.stop(0).wait()

    def _wait_for(self, number: int) -> MeshTopology | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or len(self._topologies) > number)
            return None if self._is_stopped else self._topologies[number]

    def WatchTopology(  # noqa: N802
        self,
        request: pb.WatchTopologyRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> Iterator[pb.WatchTopologyResponse]:
        yield pb.WatchTopologyResponse()  # a heartbeat
        for number in count():
            said = self._wait_for(number)
            if said is None:
                return
            yield pb.WatchTopologyResponse(topology=topology_to_message(said))

    def Announce(  # noqa: N802
        self,
        request: pb.AnnounceRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> pb.AnnounceResponse:
        said = announcement_from_message(request)
        assert said is not None
        self.announced.put(said)
        return pb.AnnounceResponse()
