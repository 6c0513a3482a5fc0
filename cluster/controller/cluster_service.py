"""ClusterService: the controller on the network, for operators, gateways and workers.

Not here: what any of it means (`controller`). Errors of our tree become gRPC statuses with their words.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import grpc

from cluster.controller.controller import Controller
from protos.errors import ExpertMeshError, InvalidRequestError
from protos.gen.v1 import cluster_pb2 as pb
from protos.gen.v1 import cluster_pb2_grpc
from router.channel import TlsFiles
from router.worker_server import WorkerServer
from workers.membership.topology_codec import (
    announcement_from_message,
    part_from_message,
    topology_to_message,
)
from workers.membership.topology_watch import MAX_BYTES

SERVICE = "expertmesh.cluster.v1.ClusterService"
_NUM_THREADS = 256
"""Everybody who watches takes one."""
_HEARTBEAT_S = 1.0
_MAX_LOADS = 1 << 30

Answer = TypeVar("Answer")


class ClusterServer(WorkerServer):
    """`start`, then `address` is true until `stop`."""

    def __init__(self, controller: Controller, host: str, port: int, tls: TlsFiles | None = None) -> None:
        super().__init__(SERVICE, _NUM_THREADS, MAX_BYTES)
        cluster_pb2_grpc.add_ClusterServiceServicer_to_server(_Servicer(controller), self.server)
        self.listen(host, port, tls)


class _Servicer(cluster_pb2_grpc.ClusterServiceServicer):
    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def GetTopology(
        self, request: pb.GetTopologyRequest, context: grpc.ServicerContext
    ) -> pb.GetTopologyResponse:
        return pb.GetTopologyResponse(topology=topology_to_message(self._controller.board.topology))

    def WatchTopology(
        self, request: pb.WatchTopologyRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchTopologyResponse]:
        board, generation = self._controller.board, -1
        while context.is_active() and not board.is_closed:
            topology = board.next_after(generation, _HEARTBEAT_S)
            if topology is None:
                yield pb.WatchTopologyResponse()
            else:
                generation = topology.generation
                yield pb.WatchTopologyResponse(topology=topology_to_message(topology))

    def Announce(self, request: pb.AnnounceRequest, context: grpc.ServicerContext) -> pb.AnnounceResponse:
        said = announcement_from_message(request)
        if said is not None:
            self._controller.announce(said)
        return pb.AnnounceResponse()

    def Drain(self, request: pb.DrainRequest, context: grpc.ServicerContext) -> pb.DrainResponse:
        def drain() -> pb.DrainResponse:
            names = self._named(request)
            self._controller.drain(names)
            return pb.DrainResponse(workers=names)

        return _answered(context, drain)

    def Undrain(self, request: pb.UndrainRequest, context: grpc.ServicerContext) -> pb.UndrainResponse:
        def undrain() -> pb.UndrainResponse:
            names = self._named(request)
            self._controller.undrain(names)
            return pb.UndrainResponse(workers=names)

        return _answered(context, undrain)

    def Rebalance(self, request: pb.RebalanceRequest, context: grpc.ServicerContext) -> pb.RebalanceResponse:
        def rebalance() -> pb.RebalanceResponse:
            max_loads = request.max_loads if request.HasField("max_loads") else _MAX_LOADS
            balance = self._controller.rebalance(max_loads)
            return pb.RebalanceResponse(
                loads=balance.num_loads,
                imbalance=balance.imbalance,
                imbalance_before=balance.imbalance_before,
            )

        return _answered(context, rebalance)

    def SetReplication(
        self, request: pb.SetReplicationRequest, context: grpc.ServicerContext
    ) -> pb.SetReplicationResponse:
        def set_replication() -> pb.SetReplicationResponse:
            part = part_from_message(request)
            if not request.take_back:
                self._controller.set_replication(request.replicas, part)
            elif part is not None:
                self._controller.take_back_replication(part)
            else:
                raise InvalidRequestError(
                    "what is said of all experts is not taken back but said anew; name a layer or an expert"
                )
            return pb.SetReplicationResponse()

        return _answered(context, set_replication)

    def Scale(self, request: pb.ScaleRequest, context: grpc.ServicerContext) -> pb.ScaleResponse:
        def scale() -> pb.ScaleResponse:
            wishes = self._controller.scale(
                request.attention if request.HasField("attention") else None,
                request.experts if request.HasField("experts") else None,
            )
            return pb.ScaleResponse(attention=wishes.num_attention, experts=wishes.num_experts)

        return _answered(context, scale)

    def _named(self, request: pb.DrainRequest | pb.UndrainRequest) -> list[str]:
        match request.WhichOneof("what"):
            case "worker":
                return [request.worker]
            case "node":
                return self._controller.workers_of(request.node)
        raise InvalidRequestError("name a worker or a node")


def _answered(context: grpc.ServicerContext, work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    except ExpertMeshError as error:
        context.abort(grpc.StatusCode[error.grpc_code.name], str(error))
        raise AssertionError("abort raises") from error
